/** A graph on OpenVINO: compiled for the shapes that it is run with, and run. */
import { LatentSyncError, type Tensor, type TensorDataType, type TensorInfo } from "@ls/core";
import type { Tensors } from "@ls/runtime-onnx/host";
import type { OpenVinoLibrary, Pointer } from "./library.ts";

const ARRAYS = {
  bool: Uint8Array,
  float16: Uint16Array,
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
} as const satisfies { readonly [T in TensorDataType]: unknown };

/** The device of every graph. */
export const DEVICE = "CPU";

export interface CompiledGraphOptions {
  readonly library: OpenVinoLibrary;
  readonly core: Pointer;
  /** Taken over. */
  readonly model: Pointer;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** OpenVINO's properties for compiling. */
  readonly properties: Readonly<Record<string, string>>;
  /** For how many shapes, from 1, it may be kept compiled: each has its own copy of the weights. */
  readonly keptShapes: number;
}

/** A graph for one set of shapes. */
interface Executable {
  readonly compiled: Pointer;
  readonly request: Pointer;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

function isStatic(dims: readonly (number | string)[]): dims is readonly number[] {
  return dims.every((dim) => typeof dim === "number");
}

function keyOf(shapes: Shapes): string {
  return [...shapes].map(([name, dims]) => `${name}:${dims.join("x")}`).join(" ");
}

const INT32_LIMIT = 2n ** 31n;

/** OpenVINO's CPU device computes int64 in 32 bits, and silently drops the rest. */
function checkRange(name: string, data: Tensor["data"]): void {
  if (!(data instanceof BigInt64Array)) return;
  const wide = data.find((value) => value < -INT32_LIMIT || value >= INT32_LIMIT);
  if (wide === undefined) return;
  throw new LatentSyncError(
    "unsupported",
    `Input "${name}" holds ${wide}, but OpenVINO computes integers in 32 bits.`,
    { hint: "Use the cpu runtime." },
  );
}

/**
 * OpenVINO plans a graph better whose shapes are known, so it is compiled anew for each set of
 * shapes; those that were used last are kept.
 */
export class CompiledGraph implements Disposable {
  readonly #options: CompiledGraphOptions;
  readonly #elementTypes: ReadonlyMap<string, number>;
  /** By {@link keyOf} their shapes, the least recently used first. */
  readonly #executables = new Map<string, Executable>();

  /** Compiles at once where the shapes of all inputs are known. */
  constructor(options: CompiledGraphOptions) {
    this.#options = options;
    const { library, model, inputs } = options;
    try {
      this.#elementTypes = new Map(
        inputs.map(({ name }) => [name, library.inputType(model, name)] as const),
      );
      const shapes = new Map<string, readonly number[]>();
      for (const { name, dims } of inputs) if (isStatic(dims)) shapes.set(name, dims);
      if (shapes.size === inputs.length) this.#executableFor(shapes);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** @param feeds of all inputs; their buffers are read where they are. */
  run(feeds: Tensors, outputs: readonly string[]): Tensors {
    const { library } = this.#options;
    for (const [name, { data }] of Object.entries(feeds)) checkRange(name, data);
    const { request } = this.#executableFor(this.#shapesOf(feeds));
    for (const [name, { dims, data }] of Object.entries(feeds)) {
      library.setInput(request, name, this.#elementTypes.get(name) ?? 0, dims, data);
    }
    library.infer(request);
    return Object.fromEntries(outputs.map((name) => [name, this.#output(request, name)]));
  }

  [Symbol.dispose](): void {
    const { library, model } = this.#options;
    for (const executable of this.#executables.values()) this.#free(executable);
    this.#executables.clear();
    library.free("ov_model_free", model);
  }

  #shapesOf(feeds: Tensors): Shapes {
    return new Map(this.#options.inputs.map(({ name }) => [name, feeds[name]?.dims ?? []]));
  }

  #executableFor(shapes: Shapes): Executable {
    const key = keyOf(shapes);
    const executable = this.#executables.get(key) ?? this.#compile(shapes);
    // Last in order: it was used last.
    this.#executables.delete(key);
    this.#executables.set(key, executable);
    return executable;
  }

  #compile(shapes: Shapes): Executable {
    const { library, core, model, properties, keptShapes } = this.#options;
    for (const [key, executable] of this.#executables) {
      if (this.#executables.size < keptShapes) break;
      this.#executables.delete(key);
      this.#free(executable);
    }
    // A scalar stays one; the C API takes a rank of 0 for an unknown one.
    const shaped = new Map([...shapes].filter(([, dims]) => dims.length > 0));
    if (shaped.size > 0) library.reshape(model, shaped);
    const compiled = library.compile(core, model, DEVICE, properties);
    try {
      return { compiled, request: library.createRequest(compiled) };
    } catch (error) {
      library.free("ov_compiled_model_free", compiled);
      throw error;
    }
  }

  #free({ compiled, request }: Executable): void {
    const { library } = this.#options;
    library.free("ov_infer_request_free", request);
    library.free("ov_compiled_model_free", compiled);
  }

  #output(request: Pointer, name: string): Tensor {
    const { library, outputs } = this.#options;
    const info = outputs.find((output) => output.name === name);
    const dtype = info?.dtype ?? "float32";
    const { dims, bytes } = library.output(request, name, info?.dims.length === 0);
    return { dtype, dims, data: new ARRAYS[dtype](bytes) };
  }
}
