/** Element types that checkpoints store. */
export type CheckpointDtype =
  | "float32"
  | "float16"
  | "bfloat16"
  | "float64"
  | "int64"
  | "int32"
  | "uint8"
  | "bool";

export interface TensorEntry {
  readonly name: string;
  readonly dtype: CheckpointDtype;
  /** Dimensions, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[];
}

/** A checkpoint's tensors, read one at a time when needed. */
export interface TensorSource extends AsyncDisposable {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /**
   * The tensor's elements, row-major, as float32 whatever is stored. The result is the caller's.
   * @throws LatentSyncError `invalid_model` for an unknown name or damaged data, `io` if the file
   *   cannot be read, `disposed` after disposal.
   */
  readFloat32(name: string): Promise<Float32Array>;
}
