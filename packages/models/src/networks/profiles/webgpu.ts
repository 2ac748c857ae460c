/**
 * ONNX Runtime's WebGPU provider: PyTorch's layout, its fused attention and residual
 * kernels, and every group norm as an instance norm, the one norm of images that it has a kernel for.
 * Not its BiasSplitGelu: release 1.30 answers anything for the widths of 2560 and 5120.
 */
import type { Value } from "../../graph/graph.ts";
import type { Network } from "../network.ts";
import { biasAdd, multiHeadAttention } from "./contrib.ts";
import type { Emitters, FeatureMap, GroupNormLayer, LinearLayer } from "./emitters.ts";
import { applyAffine, normalizeImages, standardEmitters } from "./standard.ts";

function groupNorm(net: Network, x: FeatureMap, layer: GroupNormLayer): FeatureMap {
  const value = net.cast(x.value, "float32");
  const normalized = layer.acrossFrames
    ? normalizeVideos(net, x, value, layer)
    : normalizeImages(net, value, layer);
  return applyAffine(net, x, normalized, layer);
}

/** Brings the frames of a group side by side, so that an instance is a group of a whole video. */
function normalizeVideos(net: Network, x: FeatureMap, value: Value, layer: GroupNormLayer): Value {
  if (net.frames === 1) return normalizeImages(net, value, layer);
  const { groups } = layer;
  const size = (x.channels / groups) * x.height * x.width;
  const video = net.reshape(value, ["batch", "frames", groups, size]);
  const byGroup = net.transpose(video, [0, 2, 1, 3]);
  const normalized = net.reshape(normalizeImages(net, byGroup, layer), [
    "batch",
    groups,
    "frames",
    size,
  ]);
  return net.transpose(normalized, [0, 2, 1, 3]);
}

/** A residual by the fused kernel, where there is one for the width. */
export function fusedResidual(net: Network, x: Value, layer: LinearLayer, residual: Value): Value {
  const product = net.emit.linear(net, x, { ...layer, bias: false });
  const bias = net.weights.tensor(`${layer.path}.bias`, [layer.outWidth]);
  return biasAdd(net, product, bias, residual, layer.outWidth);
}

export const webgpuEmitters: Emitters = {
  ...standardEmitters,
  groupNorm,
  linearWithResidual: fusedResidual,
  attention: multiHeadAttention,
  gelu: (net, x) => net.graph.op("Gelu", [x]),
};
