/**
 * ONNX Runtime's CUDA provider: channels last throughout, which is tensor cores' layout and makes
 * tokens of images without moving anything; its fused group norm with SiLU, attention, GEGLU and
 * residual kernels. A group norm over all frames is one over an image of `frames` rows.
 */
import type { Value } from "../../graph/graph.ts";
import type { Network } from "../network.ts";
import { multiHeadAttention, nhwcConv, nhwcGroupNorm } from "./contrib.ts";
import type { ConvolutionLayer, Emitters, FeatureMap, GroupNormLayer } from "./emitters.ts";
import { nhwc, withValue } from "./layout.ts";
import { convolved, padsOf, standardEmitters, upsampleAlong } from "./standard.ts";
import { fusedGeglu, fusedResidual } from "./webgpu.ts";

function convolution(net: Network, x: FeatureMap, layer: ConvolutionLayer): FeatureMap {
  const { path, inChannels, outChannels, kernel, addend } = layer;
  const weight = net.weights.channelsLast(`${path}.weight`, [
    outChannels,
    inChannels,
    kernel,
    kernel,
  ]);
  const bias = net.weights.tensor(`${path}.bias`, [outChannels]);
  // What is added to a channel everywhere costs nothing as part of the bias.
  const offset: Value =
    addend === undefined ? bias : net.add(bias, net.reshape(addend, [outChannels]));
  const value = nhwcConv(net, x.value, weight, offset, {
    kernel,
    stride: layer.stride ?? 1,
    pads: padsOf(layer),
  });
  return withValue(x, value, convolved(x, layer));
}

function groupNorm(net: Network, x: FeatureMap, layer: GroupNormLayer): FeatureMap {
  const { path, groups, epsilon, activation } = layer;
  const { channels, height, width } = x;
  const scale = net.weights.tensor(`${path}.weight`, [channels], { dtype: "float32" });
  const shift = net.weights.tensor(`${path}.bias`, [channels], { dtype: "float32" });
  const input = layer.acrossFrames
    ? net.reshape(x.value, ["batch", "frames", height * width, channels])
    : x.value;
  const options = { channels, groups, epsilon, silu: activation === "silu" };
  const normalized = nhwcGroupNorm(net, input, scale, shift, options);
  return withValue(
    x,
    layer.acrossFrames ? net.reshape(normalized, ["images", height, width, channels]) : normalized,
  );
}

export const cudaEmitters: Emitters = {
  ...standardEmitters,
  layout: nhwc,
  convolution,
  groupNorm,
  upsample: (net, x) => upsampleAlong(net, x, [1, 2, 2, 1]),
  linearWithResidual: fusedResidual,
  attention: multiHeadAttention,
  gelu: (net, x) => net.graph.op("Gelu", [x]),
  geglu: fusedGeglu,
};
