/**
 * Holds native sessions and runs them on the calling thread, which `run` blocks. It knows no queue
 * and checks no feeds: `HostedRuntime` does.
 */
import {
  type GraphSource,
  LatentSyncError,
  type Tensor,
  type TensorDataType,
  type TensorInfo,
} from "@ls/core";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { HostedSession, NativeSessionOptions, Tensors } from "./messages.ts";
import { describeSource, loadError, runError } from "./native-errors.ts";
import { loadOrt, type OrtModule } from "./ort-module.ts";
import type { SessionHost } from "./session-host.ts";

const DATA_TYPES: ReadonlySet<string> = new Set<TensorDataType>([
  "float32",
  "float16",
  "int64",
  "int32",
  "uint8",
  "bool",
]);

function isDataType(type: string): type is TensorDataType {
  return DATA_TYPES.has(type);
}

function tensorInfo(value: InferenceSession.ValueMetadata, source: GraphSource): TensorInfo {
  if (!value.isTensor || !isDataType(value.type)) {
    const type = value.isTensor ? value.type : "a sequence or map";
    throw new LatentSyncError(
      "unsupported",
      `${describeSource(source)}: "${value.name}" is ${type}; inputs and outputs must be tensors of ${[...DATA_TYPES].join(", ")}.`,
      { hint: "Cast the value inside the graph." },
    );
  }
  const dims = value.shape.map((dim) => (dim === "" ? "?" : dim));
  return { name: value.name, dtype: value.type, dims };
}

function toOrtTensor(ort: OrtModule, { dtype, dims, data }: Tensor): OrtTensor {
  const value = new ort.Tensor(dtype, data, dims);
  // Where `Float16Array` exists, the constructor wraps the bits in one, whose type onnxruntime-node
  // 1.30's binding does not know. It reads `data`, so the bits are put there as they are.
  if (dtype === "float16") Object.defineProperty(value, "data", { value: data });
  return value;
}

function fromOrtTensor(value: OrtTensor): Tensor {
  if (!isDataType(value.type)) {
    throw new LatentSyncError("unsupported", `An output has the unsupported type ${value.type}.`);
  }
  const data = value.data as Tensor["data"];
  if (value.type !== "float16") return { dtype: value.type, dims: [...value.dims], data };
  const bits = new Uint16Array(data.buffer, data.byteOffset, data.length);
  return { dtype: "float16", dims: [...value.dims], data: bits };
}

/** Runs sessions on the thread it is called on. */
export class OrtHost implements SessionHost<NativeSessionOptions> {
  #ort: OrtModule | undefined;
  #nextId = 0;
  readonly #sessions = new Map<number, InferenceSession>();

  async open(): Promise<readonly string[]> {
    this.#ort ??= await loadOrt();
    return this.#ort.listSupportedBackends().map(({ name }) => name);
  }

  async create(source: GraphSource, options: NativeSessionOptions): Promise<HostedSession> {
    const { InferenceSession } = this.#loaded();
    const session = await (
      "path" in source
        ? InferenceSession.create(source.path, options)
        : InferenceSession.create(source.bytes, options)
    ).catch((error: unknown) => {
      throw loadError(error, source);
    });
    try {
      const inputs = session.inputMetadata.map((value) => tensorInfo(value, source));
      const outputs = session.outputMetadata.map((value) => tensorInfo(value, source));
      const id = this.#nextId++;
      this.#sessions.set(id, session);
      return { id, inputs, outputs };
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  async run(id: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors> {
    const ort = this.#loaded();
    const session = this.#sessions.get(id);
    if (session === undefined) {
      throw new LatentSyncError("disposed", "The session was used after it was disposed.");
    }
    try {
      const native = Object.entries(feeds).map(
        ([name, tensor]) => [name, toOrtTensor(ort, tensor)] as const,
      );
      const results = await session.run(Object.fromEntries(native), outputs);
      return Object.fromEntries(
        Object.entries(results).map(([name, value]) => [name, fromOrtTensor(value)]),
      );
    } catch (error) {
      throw LatentSyncError.is(error) ? error : runError(error);
    }
  }

  async release(id: number): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    await session?.release();
  }

  async close(): Promise<void> {
    for (const id of [...this.#sessions.keys()]) await this.release(id);
  }

  #loaded(): OrtModule {
    if (this.#ort === undefined) {
      throw new LatentSyncError("runtime", "The session host was used before it was opened.");
    }
    return this.#ort;
  }
}
