/** Shapes of an operator's outputs, for the operators that this project's graphs are made of. */
import { elementCount, LatentSyncError } from "@ls/core";
import type { GraphFileNode, GraphFileTensor } from "./read-graph.ts";

/** Inputs of a node: shapes and, where they are known, numbers; `undefined` where left out. */
export type KnownInputs = readonly (GraphFileTensor | undefined)[];

type Infer = (node: GraphFileNode, inputs: KnownInputs) => readonly GraphFileTensor[];

/** @throws LatentSyncError `unsupported` for an operator that is not known here. */
export function inferShapes(node: GraphFileNode, inputs: KnownInputs): readonly GraphFileTensor[] {
  const name = node.domain === "" ? node.type : `${node.domain}.${node.type}`;
  const infer = OPERATORS.get(name);
  if (infer === undefined) {
    throw new LatentSyncError("unsupported", `The shapes that ${name} makes are not known.`);
  }
  return infer(node, inputs);
}

function required(node: GraphFileNode, inputs: KnownInputs, index: number): GraphFileTensor {
  const input = inputs[index];
  if (input !== undefined) return input;
  throw new LatentSyncError("invalid_model", `${node.type} lacks its input ${index}.`);
}

function valuesOf(node: GraphFileNode, inputs: KnownInputs, index: number): readonly number[] {
  const { values } = required(node, inputs, index);
  if (values !== undefined) return values;
  const output = node.outputs[0] ?? "";
  throw new LatentSyncError(
    "unsupported",
    `${node.type}, which makes ${output}, depends on numbers that are known only when it runs.`,
  );
}

function attribute(node: GraphFileNode, name: string, fallback: number): number {
  return node.integers.get(name)?.[0] ?? fallback;
}

/** An axis counted from the front. */
const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const asFirst: Infer = (node, inputs) => [{ dims: required(node, inputs, 0).dims }];

/** Shape of an element-wise operator's output, and of a matrix product's leading dimensions. */
function broadcast(...shapes: readonly (readonly number[])[]): readonly number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, index) =>
    Math.max(...shapes.map((dims) => dims[index - rank + dims.length] ?? 1)),
  );
}

const elementwise: Infer = (_, inputs) => [
  { dims: broadcast(...inputs.flatMap((input) => (input === undefined ? [] : [input.dims]))) },
];

/** An element-wise operator on sizes: its numbers matter, too. */
function arithmetic(compute: (a: number, b: number) => number): Infer {
  return (node, inputs) => {
    const [shape] = elementwise(node, inputs) as [GraphFileTensor];
    const [a, b] = [inputs[0]?.values, inputs[1]?.values];
    if (a === undefined || b === undefined) return [shape];
    const values = Array.from({ length: elementCount(shape.dims) }, (_, index) =>
      compute(a[index % a.length] as number, b[index % b.length] as number),
    );
    return [{ ...shape, values }];
  };
}

function windowed(size: number, kernel: number, stride: number, pads: number): number {
  return Math.floor((size + pads - kernel) / stride) + 1;
}

/** @param first axis of the rows; @param kernelAt axis of the weight's rows. */
function convolution(first: number, kernelAt: number): Infer {
  return (node, inputs) => {
    const { dims } = required(node, inputs, 0);
    const weight = required(node, inputs, 1).dims;
    const strides = node.integers.get("strides") ?? [];
    const pads = node.integers.get("pads") ?? [];
    const spatial = dims.length - 2;
    const result = [...dims];
    result[first === 1 ? dims.length - 1 : 1] = weight[0] as number;
    for (let axis = 0; axis < spatial; axis++) {
      const padding = (pads[axis] ?? 0) + (pads[axis + spatial] ?? 0);
      const kernel = weight[kernelAt + axis] as number;
      const size = dims[first + axis] as number;
      result[first + axis] = windowed(size, kernel, strides[axis] ?? 1, padding);
    }
    return [{ dims: result }];
  };
}

const reduce: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  const axes = inputs[1] === undefined ? node.integers.get("axes") : valuesOf(node, inputs, 1);
  const reduced = new Set((axes ?? [...dims.keys()]).map((axis) => axisOf(axis, dims.length)));
  const kept = dims.map((dim, axis) => (reduced.has(axis) ? 1 : dim));
  if (attribute(node, "keepdims", 1) === 1) return [{ dims: kept }];
  return [{ dims: dims.filter((_, axis) => !reduced.has(axis)) }];
};

const reshape: Infer = (node, inputs) => {
  const { dims, values } = required(node, inputs, 0);
  const asked = valuesOf(node, inputs, 1).map((size, axis) =>
    size === 0 ? (dims[axis] as number) : size,
  );
  const known = elementCount(asked.filter((size) => size !== -1));
  const result = asked.map((size) => (size === -1 ? elementCount(dims) / known : size));
  return [{ dims: result, ...(values === undefined ? {} : { values }) }];
};

const transpose: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  const perm = node.integers.get("perm") ?? dims.map((_, axis) => dims.length - 1 - axis);
  return [{ dims: perm.map((axis) => dims[axis] as number) }];
};

const concat: Infer = (node, inputs) => {
  const parts = inputs.map((_, index) => required(node, inputs, index));
  const first = parts[0]?.dims ?? [];
  const axis = axisOf(attribute(node, "axis", 0), first.length);
  const dims = first.map((dim, index) =>
    index === axis ? parts.reduce((sum, part) => sum + (part.dims[axis] as number), 0) : dim,
  );
  const isList = dims.length === 1 && parts.every(({ values }) => values !== undefined);
  return [{ dims, ...(isList ? { values: parts.flatMap(({ values }) => values ?? []) } : {}) }];
};

const slice: Infer = (node, inputs) => {
  const { dims, values } = required(node, inputs, 0);
  const [starts, ends] = [valuesOf(node, inputs, 1), valuesOf(node, inputs, 2)];
  const axes = inputs[3] === undefined ? [...starts.keys()] : valuesOf(node, inputs, 3);
  const steps = inputs[4] === undefined ? starts.map(() => 1) : valuesOf(node, inputs, 4);
  const result = [...dims];
  for (const [index, givenAxis] of axes.entries()) {
    const axis = axisOf(givenAxis, dims.length);
    const size = dims[axis] as number;
    const bound = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, 0), size);
    const length = bound(ends[index] as number) - bound(starts[index] as number);
    result[axis] = Math.max(0, Math.ceil(length / (steps[index] as number)));
  }
  if (values === undefined || dims.length !== 1) return [{ dims: result }];
  return [{ dims: result, values: values.slice(starts[0], ends[0]) }];
};

const split: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  const axis = axisOf(attribute(node, "axis", 0), dims.length);
  const size = dims[axis] as number;
  const count = node.outputs.length;
  const even = Math.ceil(size / count);
  const sizes =
    inputs[1] === undefined
      ? node.outputs.map((_, index) => Math.min(even, size - index * even))
      : valuesOf(node, inputs, 1);
  return sizes.map((part) => ({ dims: dims.with(axis, part) }));
};

const shape: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  const values = dims.slice(attribute(node, "start", 0), node.integers.get("end")?.[0]);
  return [{ dims: [values.length], values }];
};

const gather: Infer = (node, inputs) => {
  const { dims, values } = required(node, inputs, 0);
  const indices = required(node, inputs, 1);
  const axis = axisOf(attribute(node, "axis", 0), dims.length);
  const result = [...dims.slice(0, axis), ...indices.dims, ...dims.slice(axis + 1)];
  if (values === undefined || indices.values === undefined) return [{ dims: result }];
  return [{ dims: result, values: indices.values.map((index) => values.at(index) as number) }];
};

const unsqueeze: Infer = (node, inputs) => {
  const { dims, values } = required(node, inputs, 0);
  const axes = valuesOf(node, inputs, 1);
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  const rest = dims.values();
  const result = Array.from({ length: rank }, (_, axis) =>
    added.has(axis) ? 1 : (rest.next().value as number),
  );
  return [{ dims: result, ...(values === undefined ? {} : { values }) }];
};

const squeeze: Infer = (node, inputs) => {
  const { dims, values } = required(node, inputs, 0);
  const axes = inputs[1] === undefined ? undefined : valuesOf(node, inputs, 1);
  const dropped = new Set(axes?.map((axis) => axisOf(axis, dims.length)));
  const result = dims.filter((dim, axis) => (axes === undefined ? dim !== 1 : !dropped.has(axis)));
  return [{ dims: result, ...(values === undefined ? {} : { values }) }];
};

const expand: Infer = (node, inputs) => [
  { dims: broadcast(required(node, inputs, 0).dims, valuesOf(node, inputs, 1)) },
];

const tile: Infer = (node, inputs) => {
  const repeats = valuesOf(node, inputs, 1);
  return [
    { dims: required(node, inputs, 0).dims.map((dim, axis) => dim * (repeats[axis] as number)) },
  ];
};

const resize: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  if (inputs[3] !== undefined) return [{ dims: valuesOf(node, inputs, 3) }];
  const scales = valuesOf(node, inputs, 2);
  return [{ dims: dims.map((dim, axis) => Math.floor(dim * (scales[axis] as number))) }];
};

const matrixProduct: Infer = (node, inputs) => {
  const [a, b] = [required(node, inputs, 0).dims, required(node, inputs, 1).dims];
  const leading = broadcast(a.slice(0, -2), b.slice(0, -2));
  return [{ dims: [...leading, a.at(-2) as number, b.at(-1) as number] }];
};

const gemm: Infer = (node, inputs) => {
  const [a, b] = [required(node, inputs, 0).dims, required(node, inputs, 1).dims];
  const rows = a[attribute(node, "transA", 0)] as number;
  return [{ dims: [rows, b[1 - attribute(node, "transB", 0)] as number] }];
};

const attention: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  const value = required(node, inputs, 2).dims;
  return [{ dims: [...dims.slice(0, -1), value.at(-1) as number] }];
};

const halfWidth: Infer = (node, inputs) => {
  const { dims } = required(node, inputs, 0);
  return [{ dims: [...dims.slice(0, -1), (dims.at(-1) as number) / 2] }];
};

/** Norms with a skip connection give the sum as a further output. */
const asFirstEach: Infer = (node, inputs) =>
  node.outputs.map(() => ({ dims: required(node, inputs, 0).dims }));

const cast: Infer = (node, inputs) => [required(node, inputs, 0)];

function named(names: string, infer: Infer): [string, Infer][] {
  return names.split(" ").map((name) => [name, infer]);
}

const OPERATORS: ReadonlyMap<string, Infer> = new Map<string, Infer>([
  ...named("Cast Identity", cast),
  ...named("Clip Cos Erf Gelu Neg Pow Reciprocal Sigmoid Sin Softmax Sqrt Tanh", asFirst),
  ...named("InstanceNormalization LayerNormalization GroupNormalization", asFirst),
  ...named("Max Min Where Equal Greater Less", elementwise),
  ["Add", arithmetic((a, b) => a + b)],
  ["Sub", arithmetic((a, b) => a - b)],
  ["Mul", arithmetic((a, b) => a * b)],
  ["Div", arithmetic((a, b) => a / b)],
  ["Conv", convolution(2, 2)],
  ...named("ReduceMean ReduceSum ReduceSumSquare ReduceMax", reduce),
  ["Reshape", reshape],
  ["Transpose", transpose],
  ["Concat", concat],
  ["Slice", slice],
  ["Split", split],
  ["Shape", shape],
  ["Gather", gather],
  ["Unsqueeze", unsqueeze],
  ["Squeeze", squeeze],
  ["Expand", expand],
  ["Tile", tile],
  ["Resize", resize],
  ["MatMul", matrixProduct],
  ["Gemm", gemm],
  ...named("com.microsoft.BiasAdd com.microsoft.GroupNorm com.microsoft.QuickGelu", asFirst),
  ...named("com.microsoft.SkipGroupNorm com.microsoft.SkipLayerNormalization", asFirstEach),
  ["com.microsoft.BiasSplitGelu", halfWidth],
  ["com.microsoft.MultiHeadAttention", attention],
  ["com.microsoft.NhwcConv", convolution(1, 1)],
]);
