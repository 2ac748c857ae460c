import type { GraphPrecision } from "@ls/core";
import { ELEMENT_TYPES, type ElementType } from "../graph/element-type.ts";
import { type Graph, type ModuleOutput, type Value, float } from "../graph/graph.ts";
import { toFloat16Bits } from "../graph/half.ts";
import type {
  ConvolutionLayer,
  Emitters,
  FeatureMap,
  GroupNormLayer,
  LayerNormLayer,
  LinearLayer,
} from "./profiles/emitters.ts";
import type { WeightStore } from "./weights.ts";

/** Version of ONNX's own operators that all graphs use. */
export const OPSET = 20;

/** Element type of the tensors that a graph exchanges with its host. */
export const BORDER: ElementType = "float32";

const CONTRIB_DOMAIN = "com.microsoft";

/**
 * Dimensions of a reshape. `frames` is the frame count, static or symbolic; the others stand for
 * what is left, and name it: where silence and speech lie side by side, with `guided_` before it.
 */
export type ReshapeDimension = number | "frames" | "images" | "batch" | `batch*${number}`;

export interface NetworkOptions {
  readonly graph: Graph;
  readonly weights: WeightStore;
  readonly emit: Emitters;
  readonly precision: GraphPrecision;
  /** Whether fused operators are replaced by their definitions in standard operators. */
  readonly expandFused: boolean;
}

/** A network under construction: its graph, its weights and the operators it is made of. */
export class Network {
  readonly graph: Graph;
  readonly weights: WeightStore;
  readonly emit: Emitters;
  /** Element type of weights and activations. */
  readonly dtype: "float32" | "float16";
  readonly expandFused: boolean;
  /** Frame count: a number, or an int64 value of shape [1]. */
  frames: number | Value = 1;
  /** What the batch holds: 2 from where silence and speech part, silence first. */
  branches: 1 | 2 = 1;
  readonly #shapes: Map<string, Value> = new Map();

  constructor(options: NetworkOptions) {
    this.graph = options.graph;
    this.weights = options.weights;
    this.emit = options.emit;
    this.dtype = options.precision;
    this.expandFused = options.expandFused;
  }

  module<T extends ModuleOutput>(path: string, build: () => T): T {
    return this.graph.module(path, build);
  }

  convolution(x: FeatureMap, layer: ConvolutionLayer): FeatureMap {
    return this.module(layer.path, () => this.emit.convolution(this, x, layer));
  }

  groupNorm(x: FeatureMap, layer: GroupNormLayer): FeatureMap {
    return this.module(layer.path, () => this.emit.groupNorm(this, x, layer));
  }

  linear(x: Value, layer: LinearLayer): Value {
    return this.module(layer.path, () => this.emit.linear(this, x, layer));
  }

  normalize(x: Value, layer: LayerNormLayer): Value {
    return this.module(layer.path, () => this.emit.layerNorm(this, x, layer));
  }

  /** Sum of two feature maps of one shape. */
  sum(a: FeatureMap, b: FeatureMap): FeatureMap {
    return { ...a, value: this.add(a.value, b.value) };
  }

  concatChannels(a: FeatureMap, b: FeatureMap): FeatureMap {
    const attributes = { axis: this.emit.layout.channelAxis };
    const value = this.graph.op("Concat", [a.value, b.value], { attributes });
    return { ...a, value, channels: a.channels + b.channels };
  }

  /** The same for silence and for speech. */
  twice(x: FeatureMap): FeatureMap {
    const value = this.graph.op("Concat", [x.value, x.value], { attributes: { axis: 0 } });
    this.graph.shapes.set(value, ["guided_images", ...this.emit.layout.imageDims(x)]);
    return { ...x, value };
  }

  /** Tokens `[images, ...]` of silence and of speech: the same ones as long as they have not parted. */
  part(tokens: Value, dims: readonly [number, number]): readonly [silent: Value, spoken: Value] {
    if (this.branches === 1) return [tokens, tokens];
    const parts = this.halves(tokens, 0);
    for (const part of parts) this.graph.shapes.set(part, ["images", ...dims]);
    return parts;
  }

  /** Puts tokens of silence before those of speech. */
  join(silent: Value, spoken: Value, dims: readonly [number, number]): Value {
    const value = this.graph.op("Concat", [silent, spoken], { attributes: { axis: 0 } });
    this.graph.shapes.set(value, ["guided_images", ...dims]);
    return value;
  }

  /** The rows and columns up to a size; nearest-neighbour sampling to an odd size leaves out the last. */
  crop(x: FeatureMap, { height, width }: Pick<FeatureMap, "height" | "width">): FeatureMap {
    if (x.height === height && x.width === width) return x;
    const first = this.emit.layout.channelAxis === 1 ? 2 : 1;
    const inputs = [
      [0, 0],
      [height, width],
      [first, first + 1],
    ] as const;
    const value = this.graph.op("Slice", [
      x.value,
      ...inputs.map((list) => this.graph.integers([...list])),
    ]);
    return { ...x, value, height, width };
  }

  /** A number, of the network's element type or another. */
  scalar(value: number, dtype: ElementType = this.dtype): Value {
    const data = Float32Array.of(value);
    return this.graph.constant(dtype, [], dtype === "float16" ? toFloat16Bits(data) : data);
  }

  /** `count` times the same number. */
  filled(value: number, count: number, dtype: ElementType = this.dtype): Value {
    const data = new Float32Array(count).fill(value);
    return this.graph.constant(dtype, [count], dtype === "float16" ? toFloat16Bits(data) : data);
  }

  /** Converts the element type, where it differs. */
  cast(value: Value, dtype: ElementType): Value {
    if (value.dtype === dtype) return value;
    const to = ELEMENT_TYPES[dtype].onnx;
    return this.graph.op("Cast", [value], { attributes: { to }, dtype });
  }

  /**
   * Reshapes; 0 keeps a dimension, -1 takes what is left. Names of dimensions are noted in the graph:
   * a runtime that cannot compare shapes cannot plan its memory, and takes seconds to find out.
   */
  reshape(value: Value, dims: readonly ReshapeDimension[]): Value {
    const result = this.graph.op("Reshape", [value, this.#shape(dims)]);
    const isNamed = dims.some((dim) => typeof dim === "string");
    if (isNamed && !dims.includes(-1) && !dims.includes(0)) {
      this.graph.shapes.set(
        result,
        dims.map((dim) => this.#dimension(dim)),
      );
    }
    return result;
  }

  transpose(value: Value, perm: readonly number[]): Value {
    return this.graph.op("Transpose", [value], { attributes: { perm } });
  }

  add(a: Value, b: Value): Value {
    return this.graph.op("Add", [a, b]);
  }

  mul(a: Value, b: Value): Value {
    return this.graph.op("Mul", [a, b]);
  }

  /** Splits an axis into halves. */
  halves(value: Value, axis: number): readonly [Value, Value] {
    const attributes = { axis, num_outputs: 2 };
    const [first, second] = this.graph.ops("Split", [value], 2, { attributes });
    return [first as Value, second as Value];
  }

  sigmoidGate(value: Value): Value {
    return this.mul(value, this.graph.op("Sigmoid", [value]));
  }

  layerNorm(value: Value, scale: Value, bias: Value, epsilon: number): Value {
    return this.graph.op("LayerNormalization", [value, scale, bias], {
      attributes: { axis: -1, epsilon: float(epsilon) },
    });
  }

  /** An operator of ONNX Runtime's own domain. */
  contrib(
    type: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, number | { readonly float: number } | readonly number[]>>,
  ): Value {
    return this.graph.op(type, inputs, { domain: CONTRIB_DOMAIN, attributes });
  }

  #dimension(dim: ReshapeDimension): number | string {
    if (typeof dim === "number") return dim;
    if (dim === "frames") return typeof this.frames === "number" ? this.frames : dim;
    return this.branches === 1 ? dim : `guided_${dim}`;
  }

  #shape(dims: readonly ReshapeDimension[]): Value {
    const { frames } = this;
    const sizes = dims.map((dim) => {
      if (dim === "frames") return frames;
      return typeof dim === "number" ? dim : -1;
    });
    const key = dims.join(",");
    const existing = this.#shapes.get(key);
    if (existing !== undefined) return existing;
    const fixed = sizes.filter((size) => typeof size === "number");
    if (fixed.length === sizes.length) return this.graph.integers(fixed);
    const parts = sizes.map((size) =>
      typeof size === "number" ? this.graph.integers([size]) : size,
    );
    const shape = this.graph.op("Concat", parts, { attributes: { axis: 0 }, dtype: "int64" });
    this.#shapes.set(key, shape);
    return shape;
  }
}
