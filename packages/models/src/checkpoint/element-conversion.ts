import { fromFloat16Bits } from "../graph/half.ts";
import type { CheckpointDtype } from "./tensor-source.ts";

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<CheckpointDtype, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int64: 8,
  int32: 4,
  uint8: 1,
  bool: 1,
};

function fromBrainFloat(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let index = 0; index < bits.length; index++) words[index] = (bits[index] as number) << 16;
  return new Float32Array(words.buffer);
}

/**
 * Little-endian elements as float32. For float32 the result is a view of `buffer`.
 * @param buffer a whole number of elements.
 */
export function toFloat32(buffer: ArrayBuffer, dtype: CheckpointDtype): Float32Array {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer);
    case "float16":
      return fromFloat16Bits(new Uint16Array(buffer));
    case "bfloat16":
      return fromBrainFloat(new Uint16Array(buffer));
    case "float64":
      return Float32Array.from(new Float64Array(buffer));
    case "int64":
      return Float32Array.from(new BigInt64Array(buffer), Number);
    case "int32":
      return Float32Array.from(new Int32Array(buffer));
    case "uint8":
      return Float32Array.from(new Uint8Array(buffer));
    case "bool":
      return Float32Array.from(new Uint8Array(buffer), (value) => (value === 0 ? 0 : 1));
  }
}

/** Whether elements lie in row-major order without gaps. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Row-major copy of a strided view whose first element is `source[0]`. */
export function gatherStrided(
  source: Float32Array,
  shape: readonly number[],
  strides: readonly number[],
): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const result = new Float32Array(count);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let target = 0; target < count; target++) {
    result[target] = source[position] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      position += strides[axis] as number;
      if (next < (shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      position -= next * (strides[axis] as number);
      index[axis] = 0;
    }
  }
  return result;
}
