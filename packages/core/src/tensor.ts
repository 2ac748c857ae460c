import { LatentSyncError } from "./errors.ts";

/** Element types that graphs of this project exchange with the host. */
export interface TensorDataTypes {
  float32: Float32Array;
  /** IEEE half precision as raw bits. */
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export type TensorDataType = keyof TensorDataTypes;

/** A dense, row-major tensor on the host. */
export interface Tensor<T extends TensorDataType = TensorDataType> {
  readonly dtype: T;
  /** Dimensions, outermost first; `[]` is a scalar. */
  readonly dims: readonly number[];
  /** `elementCount(dims)` elements, row-major. */
  readonly data: TensorDataTypes[T];
}

/** Number of elements of a tensor with these dimensions. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/**
 * Makes a tensor and checks that data and dimensions agree.
 * @throws LatentSyncError `invalid_argument` if `data.length` is not the product of `dims`.
 */
export function tensor<T extends TensorDataType>(
  dtype: T,
  dims: readonly number[],
  data: TensorDataTypes[T],
): Tensor<T> {
  if (data.length !== elementCount(dims)) {
    throw new LatentSyncError(
      "invalid_argument",
      `A ${dtype} tensor of shape [${dims.join(", ")}] needs ${elementCount(dims)} elements, but its data has ${data.length}.`,
    );
  }
  return { dtype, dims, data };
}

/** A float32 tensor; see {@link tensor}. */
export function float32(dims: readonly number[], data: Float32Array): Tensor<"float32"> {
  return tensor("float32", dims, data);
}
