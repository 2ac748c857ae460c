/** A session of ONNX Runtime's C API. */
import { LatentSyncError, type Tensor, type TensorDataType, type TensorInfo } from "@ls/core";
import type { Tensors } from "@ls/runtime-onnx/host";
import koffi from "koffi";
import type { OrtLibrary, Pointer } from "./ort-library.ts";

/** `ONNXTensorElementDataType`. */
const ELEMENT_TYPES: Readonly<Record<TensorDataType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Readonly<Record<TensorDataType, unknown>>;

/** What sessions of a library share. */
export interface OrtShared {
  readonly library: OrtLibrary;
  readonly allocator: Pointer;
  /** Of memory that the CPU owns. */
  readonly memoryInfo: Pointer;
}

interface Shape {
  readonly dtype: TensorDataType;
  readonly dims: readonly (number | string)[];
}

/** Reads type and shape, and releases nothing. */
function readShape(library: OrtLibrary, info: Pointer): Shape {
  const type = library.number("GetTensorElementType", info);
  const entry = Object.entries(ELEMENT_TYPES).find(([, value]) => value === type);
  if (entry === undefined) {
    throw new LatentSyncError(
      "unsupported",
      `A tensor has the element type ${type}; ${Object.keys(ELEMENT_TYPES).join(", ")} are supported.`,
      { hint: "Cast the value inside the graph." },
    );
  }
  const rank = library.number("GetDimensionsCount", info);
  const sizes = new BigInt64Array(rank);
  const names: (Pointer | null)[] = Array.from({ length: rank }, () => null);
  if (rank > 0) {
    library.check("GetDimensions", info, sizes, rank);
    library.check("GetSymbolicDimensions", info, names, rank);
  }
  const dims = Array.from(sizes, (size, axis) => {
    const name = names[axis];
    if (size >= 0n) return Number(size);
    const text = name === null || name === undefined ? "" : koffi.decode.string(name);
    return text === "" ? "?" : text;
  });
  return { dtype: entry[0] as TensorDataType, dims };
}

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A session and its inputs and outputs. */
export class OrtSession implements Disposable {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly #shared: OrtShared;
  readonly #session: Pointer;

  /** Takes `session` over. */
  constructor(shared: OrtShared, session: Pointer) {
    this.#shared = shared;
    this.#session = session;
    try {
      this.inputs = this.#describe("Input");
      this.outputs = this.#describe("Output");
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  run(feeds: Tensors, outputs: readonly string[]): Tensors {
    const { library } = this.#shared;
    const inputs: Pointer[] = [];
    const results: (Pointer | null)[] = outputs.map(() => null);
    try {
      for (const tensor of Object.values(feeds)) inputs.push(this.#toValue(tensor));
      library.check(
        "Run",
        ...[this.#session, null, Object.keys(feeds), inputs, inputs.length],
        ...[outputs, outputs.length, results],
      );
      const tensors = results.map((value) => this.#fromValue(value));
      return Object.fromEntries(tensors.map((tensor, index) => [outputs[index] ?? "", tensor]));
    } finally {
      for (const value of [...inputs, ...results]) {
        if (value !== null) library.release("ReleaseValue", value);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#shared.library.release("ReleaseSession", this.#session);
  }

  #describe(kind: "Input" | "Output"): readonly TensorInfo[] {
    const { library } = this.#shared;
    const count = library.number(`SessionGet${kind}Count`, this.#session);
    return Array.from({ length: count }, (_, index) => {
      const info = library.create(`SessionGet${kind}TypeInfo`, this.#session, index);
      try {
        const tensorInfo = library.create("CastTypeInfoToTensorInfo", info);
        return { name: this.#name(kind, index), ...readShape(library, tensorInfo) };
      } finally {
        library.release("ReleaseTypeInfo", info);
      }
    });
  }

  #name(kind: "Input" | "Output", index: number): string {
    const { library, allocator } = this.#shared;
    const text = library.create(`SessionGet${kind}Name`, this.#session, index, allocator);
    try {
      return koffi.decode.string(text);
    } finally {
      library.check("AllocatorFree", allocator, text);
    }
  }

  /** A value over the tensor's own memory, which must live until the run is over. */
  #toValue(tensor: Tensor): Pointer {
    const { library, memoryInfo } = this.#shared;
    const { dtype, dims } = tensor;
    const bytes = bytesOf(tensor);
    const shape = BigInt64Array.from(dims, BigInt);
    return library.create(
      "CreateTensorWithDataAsOrtValue",
      ...[memoryInfo, bytes, bytes.byteLength],
      ...[shape, dims.length, ELEMENT_TYPES[dtype]],
    );
  }

  /** A copy of a value. */
  #fromValue(value: Pointer | null): Tensor {
    if (value === null) throw new Error("the run gave no value for an output");
    const { library } = this.#shared;
    const info = library.create("GetTensorTypeAndShape", value);
    try {
      const { dtype, dims } = readShape(library, info);
      const sizes = dims.map(Number);
      const length = sizes.reduce((product, size) => product * size, 1);
      const data = new ARRAYS[dtype](length);
      if (length > 0) {
        const address = library.create("GetTensorMutableData", value);
        const bytes = new Uint8Array(koffi.view(address, data.byteLength));
        new Uint8Array(data.buffer).set(bytes);
      }
      return { dtype, dims: sizes, data };
    } finally {
      library.release("ReleaseTensorTypeAndShapeInfo", info);
    }
  }
}
