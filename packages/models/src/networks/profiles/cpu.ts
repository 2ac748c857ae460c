/**
 * ONNX Runtime's CPU provider. Chosen by measurement on AVX-512: convolutions in PyTorch's layout,
 * which the runtime blocks by itself; a group norm that is folded into one scale and one shift per
 * channel; GEGLU as two matrix products, which saves splitting the result; and its tiled attention
 * kernel for long sequences, where the scores would not fit into the cache (at 512x512 they would
 * take half a gigabyte per frame), but plain products for short ones.
 */
import type { Value } from "../../graph/graph.ts";
import type { Network } from "../network.ts";
import { multiHeadAttention } from "./contrib.ts";
import type { Emitters, FeatureMap, GroupNormLayer, LinearLayer } from "./emitters.ts";
import { withValue } from "./layout.ts";
import { standardEmitters } from "./standard.ts";

/** From this many keys the tiled attention kernel is as fast or faster. */
const LONG_SEQUENCE = 512;

/** Mean and mean square of every group of every image, as `[images, groups, 1]`. */
function momentsOf(net: Network, value: Value, x: FeatureMap, groups: number): [Value, Value] {
  const size = (x.channels / groups) * x.height * x.width;
  const grouped = net.reshape(value, [0, groups, size]);
  const axes = net.graph.integers([2]);
  const mean = net.graph.op("ReduceMean", [grouped, axes]);
  const sum = net.graph.op("ReduceSumSquare", [grouped, axes]);
  return [mean, net.mul(sum, net.scalar(1 / size, "float32"))];
}

/** Averages moments over the frames of a video, and repeats them for each of its frames. */
function acrossFrames(net: Network, moment: Value, groups: number): Value {
  const frames = net.reshape(moment, ["batch", "frames", groups, 1]);
  return net.graph.op("ReduceMean", [frames, net.graph.integers([1])]);
}

function groupNorm(net: Network, x: FeatureMap, layer: GroupNormLayer): FeatureMap {
  const { groups, path, epsilon } = layer;
  const { channels } = x;
  const as = [groups, channels / groups];
  const weight = net.weights.tensor(`${path}.weight`, [channels], { as, dtype: "float32" });
  const bias = net.weights.tensor(`${path}.bias`, [channels], { as, dtype: "float32" });
  const value = net.cast(x.value, "float32");
  let [mean, meanSquare] = momentsOf(net, value, x, groups);
  if (layer.acrossFrames) {
    mean = acrossFrames(net, mean, groups);
    meanSquare = acrossFrames(net, meanSquare, groups);
  }
  const variance = net.graph.op("Sub", [meanSquare, net.mul(mean, mean)]);
  const positive = net.graph.op("Max", [variance, net.scalar(0, "float32")]);
  const deviation = net.graph.op("Sqrt", [net.add(positive, net.scalar(epsilon, "float32"))]);
  const scale = net.graph.op("Div", [weight, deviation]);
  const shift = net.graph.op("Sub", [bias, net.mul(mean, scale)]);
  const affine = applyPerChannel(net, value, x, layer, scale, shift);
  const result = net.cast(affine, net.dtype);
  return withValue(x, layer.activation === "silu" ? net.emit.silu(net, result) : result);
}

function applyPerChannel(
  net: Network,
  value: Value,
  { channels, height, width }: FeatureMap,
  layer: GroupNormLayer,
  scale: Value,
  shift: Value,
): Value {
  if (!layer.acrossFrames) {
    const dims = ["images", channels, 1, 1] as const;
    return net.add(net.mul(value, net.reshape(scale, dims)), net.reshape(shift, dims));
  }
  const dims = ["batch", 1, channels, 1] as const;
  const video = net.reshape(value, ["batch", "frames", channels, height * width]);
  const affine = net.add(net.mul(video, net.reshape(scale, dims)), net.reshape(shift, dims));
  return net.reshape(affine, ["images", channels, height, width]);
}

/** A matrix product for each half, so that nothing is split afterwards. */
export function splitGeglu(net: Network, x: Value, layer: LinearLayer): Value {
  const { path, inWidth, outWidth } = layer;
  const half = outWidth / 2;
  const [hidden, gate] = ([0, 1] as const).map((part) => {
    const label = part === 0 ? "hidden" : "gate";
    const weight = net.weights.transposedRows(`${path}.weight`, [outWidth, inWidth], {
      label,
      start: part * half,
      end: (part + 1) * half,
    });
    const bias = net.weights.derive({
      name: `${path}.bias:${label}`,
      shape: [half],
      from: [{ name: `${path}.bias`, shape: [outWidth] }],
      compute: (tensor) => tensor.slice(part * half, (part + 1) * half),
    });
    return net.add(net.graph.op("MatMul", [x, weight]), bias);
  });
  return net.mul(hidden as Value, net.emit.gelu(net, gate as Value));
}

export const cpuEmitters: Emitters = {
  ...standardEmitters,
  groupNorm,
  attention: (net, inputs) =>
    (inputs.keyCount ?? 0) >= LONG_SEQUENCE
      ? multiHeadAttention(net, inputs)
      : standardEmitters.attention(net, inputs),
  gelu: (net, x) => net.graph.op("Gelu", [x]),
  geglu: splitGeglu,
};
