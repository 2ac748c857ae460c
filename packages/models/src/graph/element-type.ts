/** Element types of graph values. */
export type ElementType = "float32" | "float16" | "int64" | "int32" | "uint8" | "bool";

/** Elements of a graph tensor on the host; float16 travels as raw bits, bool as bytes. */
export type ElementArray = Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;

/** A size, or the name of a symbolic dimension. */
export type Dimension = number | string;

interface ElementTypeInfo {
  /** `TensorProto.DataType` of ONNX. */
  readonly onnx: number;
  readonly bytes: number;
}

/** How each element type is stored. */
export const ELEMENT_TYPES: Readonly<Record<ElementType, ElementTypeInfo>> = {
  float32: { onnx: 1, bytes: 4 },
  float16: { onnx: 10, bytes: 2 },
  int64: { onnx: 7, bytes: 8 },
  int32: { onnx: 6, bytes: 4 },
  uint8: { onnx: 2, bytes: 1 },
  bool: { onnx: 9, bytes: 1 },
};

/** Bytes of a dense tensor. */
export function byteSize(dtype: ElementType, shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, ELEMENT_TYPES[dtype].bytes);
}

/** The bytes of an array, without copying. */
export function bytesOf(data: ElementArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
