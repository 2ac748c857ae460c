/**
 * OpenVINO's C API as far as this package uses it. Names and types follow `openvino/c/*.h` of
 * OpenVINO 2025.0 and 2026.4, whose calls are the same. Calls block the thread they are made on.
 */
import koffi, { type LibraryHandle } from "koffi";

/** Address of something that the library owns, until it is freed. */
export type Pointer = bigint;

/** What a call leaves behind when it fails. */
class OpenVinoError extends Error {
  override readonly name: string = "OpenVinoError";
}

/** Bytes of stack for a call: compiling a graph goes deep. The most that koffi allows. */
const STACK_BYTES = 16 * 1024 * 1024;

const SHAPE = koffi.struct({ rank: "int64_t", dims: "int64_t *" });
const PARTIAL_SHAPE = koffi.struct({
  rank: koffi.struct({ min: "int64_t", max: "int64_t" }),
  dims: "int64_t *",
});
const VERSION = koffi.struct({ buildNumber: "str", description: "str" });
const RESULT = koffi.out(koffi.pointer("void *"));

/** A dimension of a model's input: its size, or -1 for any. */
export type Dimension = number;

/** A type as koffi takes it. */
type TypeSpec = Parameters<typeof koffi.sizeof>[0];

type Call = (...parameters: readonly unknown[]) => unknown;

function wide(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, BigInt);
}

function shapeOf(dims: readonly number[]): { readonly rank: number; readonly dims: BigInt64Array } {
  return { rank: dims.length, dims: wide(dims) };
}

/** A loaded `libopenvino_c`. Every method throws {@link OpenVinoError} if the call fails. */
export class OpenVinoLibrary {
  readonly #library: LibraryHandle;
  readonly #functions = new Map<string, Call>();

  /** @throws Error if there is no such library, or one that it needs is missing. */
  constructor(path: string) {
    if (koffi.config().sync_stack_size !== STACK_BYTES) {
      koffi.config({ sync_stack_size: STACK_BYTES });
    }
    this.#library = koffi.load(path);
  }

  /** Such as `2026.4.1-22982-e213a147257-releases/2026/4`. */
  version(): string {
    const version = [{ buildNumber: "", description: "" }];
    this.#check("ov_get_openvino_version", [koffi.out(koffi.pointer(VERSION))], version);
    return version[0]?.buildNumber ?? "";
  }

  createCore(): Pointer {
    return this.#create("ov_core_create", []);
  }

  /** A property of a device, as text. */
  property(core: Pointer, device: string, key: string): string {
    const types = ["void *", "str", "str"];
    const text = this.#create("ov_core_get_property", types, core, device, key);
    try {
      return koffi.decode.string(text);
    } finally {
      this.free("ov_free", text);
    }
  }

  readModel(core: Pointer, path: string): Pointer {
    return this.#create("ov_core_read_model", ["void *", "str", "str"], core, path, null);
  }

  /** The element type of an input, as this release numbers them. */
  inputType(model: Pointer, name: string): number {
    const port = this.#create("ov_model_const_input_by_name", ["void *", "str"], model, name);
    try {
      const type: [number] = [0];
      const out = koffi.out(koffi.pointer("int"));
      this.#check("ov_port_get_element_type", ["void *", out], port, type);
      return type[0];
    } finally {
      this.free("ov_output_const_port_free", port);
    }
  }

  readModelBytes(core: Pointer, bytes: Uint8Array): Pointer {
    const types = ["void *", "void *", "size_t", "void *"];
    const name = "ov_core_read_model_from_memory_buffer";
    return this.#create(name, types, core, bytes, bytes.byteLength, null);
  }

  /** Gives inputs new shapes. */
  reshape(model: Pointer, shapes: ReadonlyMap<string, readonly Dimension[]>): void {
    const partial = [...shapes.values()].map((dims) => ({
      rank: { min: dims.length, max: dims.length },
      dims: wide(dims.flatMap((dim) => [dim === -1 ? 0 : dim, dim])),
    }));
    const types = ["void *", "const char **", koffi.pointer(PARTIAL_SHAPE), "size_t"];
    this.#check("ov_model_reshape", types, model, [...shapes.keys(), null], partial, shapes.size);
  }

  compile(
    core: Pointer,
    model: Pointer,
    device: string,
    properties: Readonly<Record<string, string>>,
  ): Pointer {
    const types = ["void *", "void *", "str", "size_t", RESULT, "..."];
    const texts = Object.entries(properties).flat();
    const result: [Pointer | null] = [null];
    const pairs = texts.flatMap((text) => ["str", text]);
    this.#check(
      "ov_core_compile_model",
      types,
      ...[core, model, device, texts.length, result],
      ...pairs,
    );
    return pointerIn(result, "ov_core_compile_model");
  }

  createRequest(compiled: Pointer): Pointer {
    return this.#create("ov_compiled_model_create_infer_request", ["void *"], compiled);
  }

  /**
   * Makes `data` an input of the next run, without a copy: it must live until that run is over.
   * @param elementType what {@link inputType} gave.
   */
  setInput(
    request: Pointer,
    name: string,
    elementType: number,
    dims: readonly number[],
    data: ArrayBufferView,
  ): void {
    const shape = shapeOf(dims);
    const tensor =
      data.byteLength === 0
        ? this.#create("ov_tensor_create", ["int", SHAPE], elementType, shape)
        : this.#create(
            "ov_tensor_create_from_host_ptr",
            ["int", SHAPE, "void *"],
            ...[elementType, shape, data],
          );
    try {
      this.#check(
        "ov_infer_request_set_tensor",
        ["void *", "str", "void *"],
        ...[request, name, tensor],
      );
    } finally {
      this.free("ov_tensor_free", tensor);
    }
  }

  infer(request: Pointer): void {
    this.#check("ov_infer_request_infer", ["void *"], request);
  }

  /**
   * A copy of an output of the last run.
   * @param isScalar the C API cannot tell a scalar's shape.
   */
  output(
    request: Pointer,
    name: string,
    isScalar: boolean,
  ): { readonly dims: number[]; readonly bytes: ArrayBuffer } {
    const types = ["void *", "str"];
    const tensor = this.#create("ov_infer_request_get_tensor", types, request, name);
    try {
      return { dims: isScalar ? [] : this.#dimsOf(tensor), bytes: this.#bytesOf(tensor) };
    } finally {
      this.free("ov_tensor_free", tensor);
    }
  }

  /** Gives back what another method made. */
  free(
    name:
      | "ov_compiled_model_free"
      | "ov_core_free"
      | "ov_free"
      | "ov_infer_request_free"
      | "ov_model_free"
      | "ov_output_const_port_free"
      | "ov_tensor_free",
    pointer: Pointer,
  ): void {
    this.#function(name, "void", ["void *"])(pointer);
  }

  #dimsOf(tensor: Pointer): number[] {
    const shape = [{ rank: 0, dims: null as Pointer | null }];
    const out = koffi.out(koffi.pointer(SHAPE));
    this.#check("ov_tensor_get_shape", ["void *", out], tensor, shape);
    const { rank, dims } = shape[0] ?? { rank: 0, dims: null };
    if (dims === null) return [];
    const sizes = koffi.decode(dims, koffi.array("int64_t", rank)) as ArrayLike<number | bigint>;
    this.#check("ov_shape_free", [koffi.inout(koffi.pointer(SHAPE))], shape);
    return Array.from(sizes, Number);
  }

  #bytesOf(tensor: Pointer): ArrayBuffer {
    const size: [number] = [0];
    const out = koffi.out(koffi.pointer("size_t"));
    this.#check("ov_tensor_get_byte_size", ["void *", out], tensor, size);
    if (size[0] === 0) return new ArrayBuffer(0);
    const data = this.#create("ov_tensor_data", ["void *"], tensor);
    return koffi.view(data, size[0]).slice(0);
  }

  /** Calls a function whose last parameter takes the address of what it made. */
  #create(name: string, types: readonly TypeSpec[], ...parameters: readonly unknown[]): Pointer {
    const result: [Pointer | null] = [null];
    this.#check(name, [...types, RESULT], ...parameters, result);
    return pointerIn(result, name);
  }

  #check(name: string, types: readonly TypeSpec[], ...parameters: readonly unknown[]): void {
    const status = this.#function(name, "int", types)(...parameters);
    if (status === 0) return;
    const text = this.#function("ov_get_last_err_msg", "str", [])();
    const message = typeof text === "string" ? text.trim() : "";
    throw new OpenVinoError(message === "" ? `${name} failed with ${String(status)}` : message);
  }

  #function(name: string, result: string, types: readonly TypeSpec[]): Call {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    const made = this.#library.func(name, result, [...types]) as Call;
    this.#functions.set(name, made);
    return made;
  }
}

function pointerIn([pointer]: readonly [Pointer | null], name: string): Pointer {
  if (pointer === null) throw new OpenVinoError(`${name} gave nothing.`);
  return pointer;
}
