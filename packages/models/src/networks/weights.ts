import { LatentSyncError } from "@ls/core";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { ElementType } from "../graph/element-type.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { toFloat16Bits } from "../graph/half.ts";

/** A tensor of the checkpoint, as a network wants it. */
export interface CheckpointTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A weight that is computed from tensors of the checkpoint when the graph is written. */
export interface DerivedWeight {
  /** Unique for the computation: graphs written together share weights of the same name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: readonly CheckpointTensor[];
  compute(...tensors: Float32Array[]): Float32Array;
  /** Element type in the graph; the network's if not given. */
  readonly dtype?: "float32" | "float16";
}

/** The weights of one network: declares what it needs of a checkpoint and makes it initializers. */
export class WeightStore {
  /** Shape of every tensor that was asked for, by name. */
  readonly declared: Map<string, readonly number[]> = new Map();
  readonly #graph: Graph;
  readonly #source: TensorSource | undefined;
  readonly #dtype: "float32" | "float16";

  /** Without a source only the declarations are of use. */
  constructor(graph: Graph, source: TensorSource | undefined, dtype: "float32" | "float16") {
    this.#graph = graph;
    this.#source = source;
    this.#dtype = dtype;
  }

  /**
   * Notes that the checkpoint has this tensor, whether or not the graph uses it.
   * @throws LatentSyncError `invalid_model` if the checkpoint lacks it or its shape differs.
   */
  declare({ name, shape }: CheckpointTensor): void {
    if (this.declared.has(name)) return;
    this.declared.set(name, shape);
    if (this.#source === undefined) return;
    const entry = this.#source.entries.get(name);
    const expected = `[${shape.join(", ")}]`;
    const actual = entry === undefined ? undefined : `[${entry.shape.join(", ")}]`;
    if (actual === expected) return;
    throw new LatentSyncError(
      "invalid_model",
      actual === undefined
        ? `The checkpoint has no tensor ${name}; the configuration needs it with shape ${expected}.`
        : `The checkpoint's tensor ${name} has shape ${actual}; the configuration needs ${expected}.`,
      { hint: "Use the configuration that was published with the checkpoint." },
    );
  }

  /** A tensor as it is in the checkpoint, or with its elements in another shape. */
  tensor(
    name: string,
    shape: readonly number[],
    options: { readonly dtype?: "float32" | "float16"; readonly as?: readonly number[] } = {},
  ): Value {
    const { as, dtype } = options;
    return this.derive({
      name: as === undefined ? name : `${name}:[${as.join(",")}]`,
      shape: as ?? shape,
      from: [{ name, shape }],
      compute: (tensor) => tensor,
      ...(dtype === undefined ? {} : { dtype }),
    });
  }

  /** The weight `[out, in]` of a linear layer as `[in, out]`, the right side of a MatMul. */
  transposed(name: string, shape: readonly [number, number, ...number[]]): Value {
    const [rows, columns] = shape;
    return this.derive({
      name: `${name}:transposed`,
      shape: [columns, rows],
      from: [{ name, shape }],
      compute: (tensor) => transpose(tensor, rows, columns),
    });
  }

  /** Like {@link transposed}, of some rows `start <= row < end` of the weight. */
  transposedRows(
    name: string,
    shape: readonly [number, number],
    rows: { readonly label: string; readonly start: number; readonly end: number },
  ): Value {
    const columns = shape[1];
    const count = rows.end - rows.start;
    return this.derive({
      name: `${name}:${rows.label}:transposed`,
      shape: [columns, count],
      from: [{ name, shape }],
      compute: (tensor) =>
        transpose(tensor.subarray(rows.start * columns, rows.end * columns), count, columns),
    });
  }

  /** The weight `[out, in, height, width]` of a convolution as `[out, height, width, in]`. */
  channelsLast(name: string, shape: readonly [number, number, number, number]): Value {
    const [outChannels, inChannels, height, width] = shape;
    const pixels = height * width;
    const size = inChannels * pixels;
    return this.derive({
      name: `${name}:channels-last`,
      shape: [outChannels, height, width, inChannels],
      from: [{ name, shape }],
      compute: (tensor) => {
        const result = new Float32Array(tensor.length);
        for (let start = 0; start < tensor.length; start += size) {
          const filter = tensor.subarray(start, start + size);
          result.set(transpose(filter, inChannels, pixels), start);
        }
        return result;
      },
    });
  }

  derive(weight: DerivedWeight): Value {
    for (const tensor of weight.from) this.declare(tensor);
    const dtype: ElementType = weight.dtype ?? this.#dtype;
    const source = this.#source;
    return this.#graph.initializer({
      name: dtype === this.#dtype ? weight.name : `${weight.name}:${dtype}`,
      dtype,
      shape: weight.shape,
      load: async () => {
        if (source === undefined) throw new Error(`${weight.name} has no source.`);
        const tensors: Float32Array[] = [];
        for (const { name } of weight.from) tensors.push(await source.readFloat32(name));
        const result = weight.compute(...tensors);
        return dtype === "float16" ? toFloat16Bits(result) : result;
      },
    });
  }
}

const TILE = 32;

/** Transposes a row-major matrix, tile by tile for the cache's sake. */
function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          result[column * rows + row] = matrix[row * columns + column] as number;
        }
      }
    }
  }
  return result;
}
