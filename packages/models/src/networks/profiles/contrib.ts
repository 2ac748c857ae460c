/**
 * Fused operators of ONNX Runtime's `com.microsoft` domain. Those that its CPU provider lacks have
 * their definition in standard operators beside them: `Network.expandFused` puts it in their place,
 * so that every profile's graph can be checked without its device.
 */
import { type Value, float } from "../../graph/graph.ts";
import type { Network } from "../network.ts";
import type { AttentionInputs } from "./emitters.ts";

/** Widths that the kernels of BiasSplitGelu are compiled for: both halves together. */
const SPLIT_GELU_WIDTHS: ReadonlySet<number> = new Set([2560, 5120, 10_240]);
/** Widths that the kernels of BiasAdd are compiled for. */
const BIAS_ADD_WIDTHS: ReadonlySet<number> = new Set([320, 640, 1280]);

/** Attention without scores in memory; the scale is the usual one. */
export function multiHeadAttention(net: Network, inputs: AttentionInputs): Value {
  const { query, key, value, heads } = inputs;
  return net.contrib("MultiHeadAttention", [query, key, value], { num_heads: heads });
}

/** `hidden * gelu(gate)` of `x + bias = [hidden, gate]`; undefined where no kernel exists. */
export function biasSplitGelu(
  net: Network,
  x: Value,
  bias: Value,
  width: number,
): Value | undefined {
  if (net.expandFused) {
    const [hidden, gate] = net.halves(net.add(x, bias), -1);
    return net.mul(hidden, net.graph.op("Gelu", [gate]));
  }
  return SPLIT_GELU_WIDTHS.has(width) ? net.contrib("BiasSplitGelu", [x, bias], {}) : undefined;
}

/** `x + bias + skip`, all but the bias `[sequences, tokens, width]`. */
export function biasAdd(net: Network, x: Value, bias: Value, skip: Value, width: number): Value {
  return !net.expandFused && BIAS_ADD_WIDTHS.has(width)
    ? net.contrib("BiasAdd", [x, bias, skip], {})
    : net.add(net.add(x, bias), skip);
}

export interface NhwcConvolution {
  readonly kernel: number;
  readonly stride: number;
  readonly pads: readonly [number, number, number, number];
}

/** A convolution of `[images, height, width, channels]` with a weight `[out, height, width, in]`. */
export function nhwcConv(
  net: Network,
  x: Value,
  weight: Value,
  bias: Value | undefined,
  { kernel, stride, pads }: NhwcConvolution,
): Value {
  const attributes = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads };
  const inputs = bias === undefined ? [] : [bias];
  if (!net.expandFused) return net.contrib("NhwcConv", [x, weight, ...inputs], attributes);
  const image = net.transpose(x, [0, 3, 1, 2]);
  const filter = net.transpose(weight, [0, 3, 1, 2]);
  const result = net.graph.op("Conv", [image, filter, ...inputs], { attributes });
  return net.transpose(result, [0, 2, 3, 1]);
}

export interface NhwcGroupNorm {
  readonly channels: number;
  readonly groups: number;
  readonly epsilon: number;
  readonly silu: boolean;
}

/** Group norm of `[images, height, width, channels]`; scale and shift are float32 in any case. */
export function nhwcGroupNorm(
  net: Network,
  x: Value,
  scale: Value,
  shift: Value,
  { channels, groups, epsilon, silu }: NhwcGroupNorm,
): Value {
  const groupChannels = channels / groups;
  const norm = { channels, groups, epsilon, silu };
  if (!net.expandFused && hasGroupNormKernel(norm)) {
    return net.contrib("GroupNorm", [x, scale, shift], groupNormAttributes(norm));
  }
  const axes = net.graph.integers([1, 2, 4]);
  const grouped = net.reshape(net.cast(x, "float32"), [0, 0, 0, groups, groupChannels]);
  const mean = net.graph.op("ReduceMean", [grouped, axes]);
  const centred = net.graph.op("Sub", [grouped, mean]);
  const variance = net.graph.op("ReduceMean", [net.mul(centred, centred), axes]);
  const deviation = net.graph.op("Sqrt", [net.add(variance, net.scalar(epsilon, "float32"))]);
  const normalized = net.reshape(net.graph.op("Div", [centred, deviation]), [0, 0, 0, channels]);
  const affine = net.cast(net.add(net.mul(normalized, scale), shift), x.dtype);
  return silu ? net.sigmoidGate(affine) : affine;
}

/** The kernels read channels in pairs, take 32 groups at most, and 512 channels of whole groups at a time. */
function hasGroupNormKernel({ channels, groups }: NhwcGroupNorm): boolean {
  const groupChannels = channels / groups;
  return groupChannels % 2 === 0 && groups <= 32 && groupChannels <= 512;
}

function groupNormAttributes({
  groups,
  epsilon,
  silu,
}: NhwcGroupNorm): Readonly<Record<string, number | { readonly float: number }>> {
  return { epsilon: float(epsilon), groups, activation: silu ? 1 : 0, channels_last: 1 };
}

/**
 * Group norm of `x + skip + bias`, of which `skip` is `[images, channels]`: one pass over `x` instead
 * of two, as a convolution adds its bias by a kernel of its own.
 */
export function nhwcSkipGroupNorm(
  net: Network,
  { x, skip, bias }: { readonly x: Value; readonly skip: Value; readonly bias: Value },
  scale: Value,
  shift: Value,
  norm: NhwcGroupNorm,
): Value {
  if (!net.expandFused && hasGroupNormKernel(norm)) {
    const inputs = [x, scale, shift, skip, bias];
    return net.contrib("SkipGroupNorm", inputs, groupNormAttributes(norm));
  }
  const offset = net.reshape(net.add(skip, bias), [-1, 1, 1, norm.channels]);
  return nhwcGroupNorm(net, net.add(x, offset), scale, shift, norm);
}
