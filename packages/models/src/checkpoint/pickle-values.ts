import type { CheckpointDtype } from "./tensor-source.ts";

/** A storage that the pickle refers to: the archive's record `data/<key>`. */
export class PickledStorage {
  readonly dtype: CheckpointDtype;
  readonly key: string;
  readonly elements: number;

  constructor(dtype: CheckpointDtype, key: string, elements: number) {
    this.dtype = dtype;
    this.key = key;
    this.elements = elements;
  }
}

/** A strided view on a storage; offset and strides in elements. */
export class PickledTensor {
  readonly storage: PickledStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(
    storage: PickledStorage,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** One of the few globals that a checkpoint may name; it is a name here, never a callable. */
export class PickledGlobal {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Dictionaries are Maps; lists and tuples are arrays. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickledStorage
  | PickledTensor
  | PickledGlobal;

export const STORAGE_DTYPES: ReadonlyMap<string, CheckpointDtype> = new Map([
  ["torch.FloatStorage", "float32"],
  ["torch.HalfStorage", "float16"],
  ["torch.BFloat16Storage", "bfloat16"],
  ["torch.DoubleStorage", "float64"],
  ["torch.LongStorage", "int64"],
  ["torch.IntStorage", "int32"],
  ["torch.ByteStorage", "uint8"],
  ["torch.BoolStorage", "bool"],
]);

export const ORDERED_DICT = "collections.OrderedDict";
export const REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2";
export const REBUILD_PARAMETER = "torch._utils._rebuild_parameter";

/** Everything that a pickle may name. Names are looked up here and nothing is ever executed. */
export const ALLOWED_GLOBALS: ReadonlySet<string> = new Set([
  ORDERED_DICT,
  REBUILD_TENSOR,
  REBUILD_PARAMETER,
  ...STORAGE_DTYPES.keys(),
]);
