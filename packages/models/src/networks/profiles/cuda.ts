/**
 * ONNX Runtime's CUDA provider: channels last throughout, which is tensor cores' layout and makes
 * tokens of images without moving anything; its fused group norm with bias, time embedding and SiLU,
 * attention, GEGLU and residual kernels. A group norm over all frames is one over an image of `frames` rows.
 */
import type { Value } from "../../graph/graph.ts";
import type { Network } from "../network.ts";
import {
  biasAdd,
  biasSplitGelu,
  multiHeadAttention,
  nhwcConv,
  type NhwcGroupNorm,
  nhwcGroupNorm,
  nhwcSkipGroupNorm,
} from "./contrib.ts";
import type {
  ConvolutionLayer,
  Emitters,
  FeatureMap,
  GroupNormLayer,
  LinearLayer,
} from "./emitters.ts";
import { nhwc, withValue } from "./layout.ts";
import { convolved, padsOf, standardEmitters, upsampleAlong } from "./standard.ts";
import { fusedResidual } from "./webgpu.ts";

function convolution(net: Network, x: FeatureMap, layer: ConvolutionLayer): FeatureMap {
  const { outChannels, addend } = layer;
  const bias = biasOf(net, layer);
  // What is added to a channel everywhere costs nothing as part of the bias.
  const offset: Value =
    addend === undefined ? bias : net.add(bias, net.reshape(addend, [outChannels]));
  return convolve(net, x, layer, offset);
}

function biasOf(net: Network, { path, outChannels }: ConvolutionLayer): Value {
  return net.weights.tensor(`${path}.bias`, [outChannels]);
}

function convolve(net: Network, x: FeatureMap, layer: ConvolutionLayer, bias?: Value): FeatureMap {
  const { path, inChannels, outChannels, kernel } = layer;
  const weight = net.weights.channelsLast(`${path}.weight`, [
    outChannels,
    inChannels,
    kernel,
    kernel,
  ]);
  const value = nhwcConv(net, x.value, weight, bias, {
    kernel,
    stride: layer.stride ?? 1,
    pads: padsOf(layer),
  });
  return withValue(x, value, convolved(x, layer));
}

function groupNorm(net: Network, x: FeatureMap, layer: GroupNormLayer): FeatureMap {
  return normalized(net, x, layer, (input, scale, shift, norm) =>
    nhwcGroupNorm(net, input, scale, shift, norm),
  );
}

/** With a time embedding its bias, the embedding and the norm with its activation are one kernel. */
function convolutionNorm(
  net: Network,
  x: FeatureMap,
  layer: ConvolutionLayer,
  norm: GroupNormLayer,
): FeatureMap {
  const { addend, path, outChannels } = layer;
  if (addend === undefined) return standardEmitters.convolutionNorm(net, x, layer, norm);
  const hidden = net.module(path, () => convolve(net, x, layer));
  return net.module(norm.path, () =>
    normalized(net, hidden, norm, (input, scale, shift, options) => {
      const skip = repeatedRow(net, addend, input, outChannels);
      const sum = { x: input, skip, bias: biasOf(net, layer) };
      return nhwcSkipGroupNorm(net, sum, scale, shift, options);
    }),
  );
}

/** A row `[1, width]` for each item of a batch. */
function repeatedRow(net: Network, row: Value, batch: Value, width: number): Value {
  const attributes = { start: 0, end: 1 };
  const count = net.graph.op("Shape", [batch], { attributes, dtype: "int64" });
  const shape = net.graph.op("Concat", [count, net.graph.integers([width])], {
    attributes: { axis: 0 },
  });
  return net.graph.op("Expand", [row, shape]);
}

/** Applies a norm to images, or to videos as images of `frames` rows. */
function normalized(
  net: Network,
  x: FeatureMap,
  layer: GroupNormLayer,
  apply: (input: Value, scale: Value, shift: Value, norm: NhwcGroupNorm) => Value,
): FeatureMap {
  const { path, groups, epsilon, activation } = layer;
  const { channels, height, width } = x;
  const scale = net.weights.tensor(`${path}.weight`, [channels], { dtype: "float32" });
  const shift = net.weights.tensor(`${path}.bias`, [channels], { dtype: "float32" });
  const options = { channels, groups, epsilon, silu: activation === "silu" };
  if (!layer.acrossFrames) return withValue(x, apply(x.value, scale, shift, options));
  const video = net.reshape(x.value, ["batch", "frames", height * width, channels]);
  const result = apply(video, scale, shift, options);
  return withValue(x, net.reshape(result, ["images", height, width, channels]));
}

/** GEGLU by the fused kernel, where there is one for the width. */
function fusedGeglu(net: Network, x: Value, layer: LinearLayer): Value {
  const product = net.emit.linear(net, x, { ...layer, bias: false });
  const bias = net.weights.tensor(`${layer.path}.bias`, [layer.outWidth]);
  const fused = biasSplitGelu(net, product, bias, layer.outWidth);
  if (fused !== undefined) return fused;
  const [hidden, gate] = net.halves(net.add(product, bias), -1);
  return net.mul(hidden, net.emit.gelu(net, gate));
}

/** The bias and the residual are one kernel, where there is one for the width. */
function convolutionWithResidual(
  net: Network,
  x: FeatureMap,
  layer: ConvolutionLayer,
  residual: FeatureMap,
): FeatureMap {
  return net.module(layer.path, () => {
    const { layout } = net.emit;
    const tokens = layout.toTokens(net, convolve(net, x, layer));
    const bias = biasOf(net, layer);
    const sum = biasAdd(net, tokens, bias, layout.toTokens(net, residual), layer.outChannels);
    return layout.fromTokens(net, sum, residual);
  });
}

export const cudaEmitters: Emitters = {
  ...standardEmitters,
  layout: nhwc,
  convolution,
  groupNorm,
  convolutionNorm,
  convolutionWithResidual,
  upsample: (net, x) => upsampleAlong(net, x, [1, 2, 2, 1]),
  linearWithResidual: fusedResidual,
  attention: multiHeadAttention,
  gelu: (net, x) => net.graph.op("Gelu", [x]),
  geglu: fusedGeglu,
};
