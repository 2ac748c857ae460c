/** The models of `runtimeConformance`: one thing each, with integers for exact results. */
import { float32, type TensorDataType, type TensorInfo } from "@ls/core";
import { encodeOnnx, encodeOnnxFiles, type EncodedOnnx, type OnnxGraph } from "./onnx-encoder.ts";

function info(
  name: string,
  dims: readonly (number | string)[],
  dtype: TensorDataType = "float32",
): TensorInfo {
  return { name, dtype, dims };
}

const ADD_BIAS: OnnxGraph = {
  inputs: [info("x", [3])],
  outputs: [info("y", [3])],
  nodes: [{ op: "Add", inputs: ["x", "bias"], outputs: ["y"] }],
  initializers: { bias: float32([3], Float32Array.of(10, 20, 30)) },
};

/** `sum = a + b`, all `[3]`. */
export function addModel(): Uint8Array {
  return encodeOnnx({
    inputs: [info("a", [3]), info("b", [3])],
    outputs: [info("sum", [3])],
    nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["sum"] }],
  });
}

/** `y = x + [10, 20, 30]`, the bias inside the model or in `externalFile` beside it. */
export function addBiasModel(externalFile?: string): EncodedOnnx {
  return encodeOnnxFiles(externalFile === undefined ? ADD_BIAS : { ...ADD_BIAS, externalFile });
}

/** `y = x W` with `x [rows, 2]` and `W = [[1, 2, 3], [4, 5, 6]]`. */
export function matmulModel(): Uint8Array {
  return encodeOnnx({
    inputs: [info("x", ["rows", 2])],
    outputs: [info("y", ["rows", 3])],
    nodes: [{ op: "MatMul", inputs: ["x", "weight"], outputs: ["y"] }],
    initializers: { weight: float32([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)) },
  });
}

/** 3x3 box filter with padding 1 and a bias of 1: `[1, 1, height, width]` to the same. */
export function convModel(): Uint8Array {
  return encodeOnnx({
    inputs: [info("image", [1, 1, "height", "width"])],
    outputs: [info("filtered", [1, 1, "height", "width"])],
    nodes: [
      {
        op: "Conv",
        inputs: ["image", "kernel", "bias"],
        outputs: ["filtered"],
        attributes: { pads: { ints: [1, 1, 1, 1] }, kernel_shape: { ints: [3, 3] } },
      },
    ],
    initializers: {
      kernel: float32([1, 1, 3, 3], new Float32Array(9).fill(1)),
      bias: float32([1], Float32Array.of(1)),
    },
  });
}

/** `x [n]` to `negated = -x`, `doubled = x + x` and `relu = max(x, 0)`. */
export function severalOutputsModel(): Uint8Array {
  return encodeOnnx({
    inputs: [info("x", ["n"])],
    outputs: [info("negated", ["n"]), info("doubled", ["n"]), info("relu", ["n"])],
    nodes: [
      { op: "Neg", inputs: ["x"], outputs: ["negated"] },
      { op: "Add", inputs: ["x", "x"], outputs: ["doubled"] },
      { op: "Relu", inputs: ["x"], outputs: ["relu"] },
    ],
  });
}

/** `y = x` of any type and shape. */
export function identityModel(
  dtype: TensorDataType,
  dims: readonly (number | string)[],
): Uint8Array {
  return encodeOnnx({
    inputs: [info("x", dims, dtype)],
    outputs: [info("y", dims, dtype)],
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
  });
}

/** `y = op(x)` with one type for the input and another for the output, both `[n]`. */
export function castModel(from: TensorDataType, to: TensorDataType): Uint8Array {
  const code = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float16: 10 }[to];
  return encodeOnnx({
    inputs: [info("x", ["n"], from)],
    outputs: [info("y", ["n"], to)],
    nodes: [{ op: "Cast", inputs: ["x"], outputs: ["y"], attributes: { to: { int: code } } }],
  });
}

/** `y = -x` for a scalar or an empty tensor. */
export function negateModel(dims: readonly number[]): Uint8Array {
  return encodeOnnx({
    inputs: [info("x", dims)],
    outputs: [info("y", dims)],
    nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"] }],
  });
}

/** A product of matrices that takes a while: `x [size, size]`, `y = x^(steps + 1)`. */
export function slowModel(size: number, steps: number): Uint8Array {
  const value = (step: number): string => (step === 0 ? "x" : step === steps ? "y" : `x${step}`);
  return encodeOnnx({
    inputs: [info("x", [size, size])],
    outputs: [info("y", [size, size])],
    nodes: Array.from({ length: steps }, (_, step) => ({
      op: "MatMul",
      inputs: [value(step), "x"],
      outputs: [value(step + 1)],
    })),
  });
}

/** `y = weight[index]` with `count` weights, each 2. */
export function heavyModel(count: number): Uint8Array {
  return encodeOnnx({
    inputs: [info("index", [1], "int32")],
    outputs: [info("y", [1])],
    nodes: [{ op: "Gather", inputs: ["weight", "index"], outputs: ["y"] }],
    initializers: { weight: float32([count], new Float32Array(count).fill(2)) },
  });
}

/** A model that no runtime may load: it uses an operator that does not exist. */
export function unknownOperatorModel(): Uint8Array {
  return encodeOnnx({
    inputs: [info("x", [1])],
    outputs: [info("y", [1])],
    nodes: [{ op: "NoSuchOperator", inputs: ["x"], outputs: ["y"] }],
  });
}
