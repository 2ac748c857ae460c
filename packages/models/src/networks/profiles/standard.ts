/** ONNX's own operators only, in PyTorch's layout: for TensorRT, and the ground of other profiles. */
import { type Value, float } from "../../graph/graph.ts";
import type { Network } from "../network.ts";
import type {
  AttentionInputs,
  ConvolutionLayer,
  Emitters,
  FeatureMap,
  GroupNormLayer,
  LayerNormLayer,
  LinearLayer,
} from "./emitters.ts";
import { convolvedSize, nchw, withValue } from "./layout.ts";

/** LayerNorm's epsilon, PyTorch's default, which no network of this project changes. */
const LAYER_NORM_EPSILON = 1e-5;

/** Pads of a layer: top, left, bottom, right. */
export function padsOf(layer: ConvolutionLayer): readonly [number, number, number, number] {
  const same = (layer.kernel - 1) / 2;
  return layer.pads ?? [same, same, same, same];
}

/** Size of a layer's output. */
export function convolved(
  x: FeatureMap,
  layer: ConvolutionLayer,
): Pick<FeatureMap, "channels" | "height" | "width"> {
  const [top, left, bottom, right] = padsOf(layer);
  const stride = layer.stride ?? 1;
  return {
    channels: layer.outChannels,
    height: convolvedSize(x.height, layer.kernel, stride, top + bottom),
    width: convolvedSize(x.width, layer.kernel, stride, left + right),
  };
}

function convolution(net: Network, x: FeatureMap, layer: ConvolutionLayer): FeatureMap {
  const { path, inChannels, outChannels, kernel } = layer;
  const stride = layer.stride ?? 1;
  const weight = net.weights.tensor(`${path}.weight`, [outChannels, inChannels, kernel, kernel]);
  const bias = net.weights.tensor(`${path}.bias`, [outChannels]);
  const value = net.graph.op("Conv", [x.value, weight, bias], {
    attributes: {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: padsOf(layer),
    },
  });
  const result = withValue(x, value, convolved(x, layer));
  if (layer.addend === undefined) return result;
  const addend = net.emit.layout.perChannel(net, layer.addend, outChannels);
  return withValue(result, net.add(value, addend));
}

/** Scale and shift of a norm in float32, as `[channels, 1, 1]`. */
function affineOf(net: Network, x: FeatureMap, path: string): readonly [Value, Value] {
  const as = [x.channels, 1, 1];
  const options = { as, dtype: "float32" } as const;
  return [
    net.weights.tensor(`${path}.weight`, [x.channels], options),
    net.weights.tensor(`${path}.bias`, [x.channels], options),
  ];
}

/** Normalizes every group of every image by its own mean and variance. */
export function normalizeImages(net: Network, value: Value, layer: GroupNormLayer): Value {
  const { groups, epsilon } = layer;
  const grouped = net.reshape(value, [0, groups, -1]);
  const scale = net.filled(1, groups, value.dtype);
  const bias = net.filled(0, groups, value.dtype);
  return net.graph.op("InstanceNormalization", [grouped, scale, bias], {
    attributes: { epsilon: float(epsilon) },
  });
}

/** Normalizes every group of every video by its mean and variance over all frames. */
function normalizeVideos(net: Network, x: FeatureMap, value: Value, layer: GroupNormLayer): Value {
  const { groups, epsilon } = layer;
  const size = (x.channels / groups) * x.height * x.width;
  const axes = net.graph.integers([1, 3]);
  const grouped = net.reshape(value, ["batch", "frames", groups, size]);
  const mean = net.graph.op("ReduceMean", [grouped, axes]);
  const centred = net.graph.op("Sub", [grouped, mean]);
  const variance = net.graph.op("ReduceMean", [net.mul(centred, centred), axes]);
  const stable = net.add(variance, net.scalar(epsilon, "float32"));
  return net.graph.op("Div", [centred, net.graph.op("Sqrt", [stable])]);
}

/** A norm in float32 whatever the precision: sums over many elements exceed half precision. */
function groupNorm(net: Network, x: FeatureMap, layer: GroupNormLayer): FeatureMap {
  const value = net.cast(x.value, "float32");
  const normalized = layer.acrossFrames
    ? normalizeVideos(net, x, value, layer)
    : normalizeImages(net, value, layer);
  return applyAffine(net, x, normalized, layer);
}

/** The rest of a group norm: back to the feature map's shape, scale, shift and activation. */
export function applyAffine(
  net: Network,
  x: FeatureMap,
  normalized: Value,
  layer: GroupNormLayer,
): FeatureMap {
  const [scale, shift] = affineOf(net, x, layer.path);
  const restored = net.reshape(normalized, ["images", x.channels, x.height, x.width]);
  const affine = net.cast(net.add(net.mul(restored, scale), shift), net.dtype);
  return withValue(x, layer.activation === "silu" ? net.emit.silu(net, affine) : affine);
}

/** Upsamples by two; `axes` are the spatial ones. */
export function upsampleAlong(net: Network, x: FeatureMap, scales: readonly number[]): FeatureMap {
  const factors = net.graph.constant("float32", [4], Float32Array.from(scales));
  const value = net.graph.op("Resize", [x.value, undefined, factors], {
    attributes: {
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    },
  });
  return withValue(x, value, { height: x.height * 2, width: x.width * 2 });
}

function linear(net: Network, x: Value, layer: LinearLayer): Value {
  const { path, inWidth, outWidth } = layer;
  const shape = layer.weightShape ?? ([outWidth, inWidth] as const);
  const weight = net.weights.transposed(`${path}.weight`, shape);
  const product = net.graph.op("MatMul", [x, weight]);
  if (!layer.bias) return product;
  return net.add(product, net.weights.tensor(`${path}.bias`, [outWidth]));
}

function layerNorm(net: Network, x: Value, { path, width }: LayerNormLayer): Value {
  const scale = net.weights.tensor(`${path}.weight`, [width]);
  const bias = net.weights.tensor(`${path}.bias`, [width]);
  return net.layerNorm(x, scale, bias, LAYER_NORM_EPSILON);
}

function attention(net: Network, inputs: AttentionInputs): Value {
  const { heads, headWidth } = inputs;
  const split = (value: Value, perm: readonly number[]): Value =>
    net.transpose(net.reshape(value, [0, 0, heads, headWidth]), perm);
  const query = net.mul(split(inputs.query, [0, 2, 1, 3]), net.scalar(headWidth ** -0.5));
  const key = split(inputs.key, [0, 2, 3, 1]);
  const value = split(inputs.value, [0, 2, 1, 3]);
  const scores = net.graph.op("MatMul", [query, key]);
  const weights = net.graph.op("Softmax", [scores], { attributes: { axis: -1 } });
  const mixed = net.graph.op("MatMul", [weights, value]);
  return net.reshape(net.transpose(mixed, [0, 2, 1, 3]), [0, 0, heads * headWidth]);
}

/** By the error function, a pattern that every runtime knows. */
function gelu(net: Network, x: Value): Value {
  const error = net.graph.op("Erf", [net.mul(x, net.scalar(Math.SQRT1_2))]);
  return net.mul(net.mul(x, net.scalar(0.5)), net.add(error, net.scalar(1)));
}

function geglu(net: Network, x: Value, layer: LinearLayer): Value {
  const both = net.emit.linear(net, x, layer);
  const [hidden, gate] = net.halves(both, -1);
  return net.mul(hidden, net.emit.gelu(net, gate));
}

export const standardEmitters: Emitters = {
  layout: nchw,
  convolution,
  groupNorm,
  convolutionNorm: (net, x, layer, norm) => net.groupNorm(net.convolution(x, layer), norm),
  convolutionWithResidual: (net, x, layer, residual) =>
    net.sum(residual, net.convolution(x, layer)),
  upsample: (net, x) => upsampleAlong(net, x, [1, 1, 2, 2]),
  linear,
  linearWithResidual: (net, x, layer, residual) =>
    net.add(net.emit.linear(net, x, layer), residual),
  layerNorm,
  attention,
  silu: (net, x) => net.sigmoidGate(x),
  gelu,
  geglu,
};
