/** Holds sessions of ONNX Runtime's C API and runs them on the calling thread, which they block. */
import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type GraphSource, LatentSyncError } from "@ls/core";
import {
  type HostedSession,
  loadError,
  runError,
  type SessionHost,
  type Tensors,
} from "@ls/runtime-onnx/host";
import { OrtLibrary, type Pointer } from "./ort-library.ts";
import { OrtSession, type OrtShared } from "./ort-session.ts";

/** An execution provider with its options by the names that ONNX Runtime gives them. */
export interface ApiProvider {
  readonly name: "CUDA" | "TensorRT";
  readonly options: Readonly<Record<string, string>>;
  /**
   * An option that takes a folder of the graph's own, and where that folder is to be made: names of
   * TensorRT's engines tell graphs of other weights not apart.
   */
  readonly graphFolder?: { readonly option: string; readonly root: string };
}

/** Options of a session; all of them can be cloned. */
export interface ApiSessionOptions {
  /** In order of preference; what none of them can run falls to the CPU. */
  readonly providers: readonly ApiProvider[];
  readonly threads: number;
  /** Sizes of symbolic dimensions by name. */
  readonly dimensions: Readonly<Record<string, number>>;
}

interface Opened extends OrtShared {
  readonly environment: Pointer;
}

const LOG_FATAL = 4;
const ALL_OPTIMIZATIONS = 99;
/** `OrtDeviceAllocator` and `OrtMemTypeDefault`. */
const DEVICE_ALLOCATOR = 0;
const DEFAULT_MEMORY = 0;

export class OrtApiHost implements SessionHost<ApiSessionOptions> {
  readonly #path: string;
  readonly #sessions = new Map<number, OrtSession>();
  #opened: Opened | undefined;
  #nextId = 0;

  /** @param path of ONNX Runtime's library; it looks for providers in that folder. */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws LatentSyncError `unsupported` if the library cannot be loaded. */
  async open(): Promise<readonly string[]> {
    try {
      const library = new OrtLibrary(this.#path);
      this.#opened = {
        library,
        environment: library.create("CreateEnv", LOG_FATAL, "latentsync"),
        allocator: library.create("GetAllocatorWithDefaultOptions"),
        memoryInfo: library.create("CreateCpuMemoryInfo", DEVICE_ALLOCATOR, DEFAULT_MEMORY),
      };
      return [];
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LatentSyncError("unsupported", `${this.#path} cannot be loaded: ${reason}`, {
        cause,
        hint: "Run `npm install onnxruntime-node`, or latentsync-ts runtime install cuda.",
      });
    }
  }

  async create(source: GraphSource, options: ApiSessionOptions): Promise<HostedSession> {
    const opened = this.#open();
    const providers: ApiProvider[] = [];
    for (const provider of options.providers) providers.push(await ownFolder(provider, source));
    try {
      const session = this.#createSession(opened, source, { ...options, providers });
      const id = this.#nextId++;
      this.#sessions.set(id, session);
      return { id, inputs: session.inputs, outputs: session.outputs };
    } catch (error) {
      throw LatentSyncError.is(error) ? error : loadError(error, source);
    }
  }

  async run(id: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors> {
    const session = this.#sessions.get(id);
    if (session === undefined) {
      throw new LatentSyncError("disposed", "The session was used after it was disposed.");
    }
    try {
      return session.run(feeds, outputs);
    } catch (error) {
      throw LatentSyncError.is(error) ? error : runError(error);
    }
  }

  async release(id: number): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    session?.[Symbol.dispose]();
  }

  async close(): Promise<void> {
    for (const id of [...this.#sessions.keys()]) await this.release(id);
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.library.release("ReleaseMemoryInfo", opened.memoryInfo);
    opened?.library.release("ReleaseEnv", opened.environment);
  }

  #createSession(opened: Opened, source: GraphSource, options: ApiSessionOptions): OrtSession {
    const { library, environment } = opened;
    const native = library.create("CreateSessionOptions");
    try {
      configure(library, native, options);
      const session =
        "path" in source
          ? library.create("CreateSession", environment, source.path, native)
          : library.create(
              "CreateSessionFromArray",
              ...[environment, source.bytes, source.bytes.byteLength, native],
            );
      return new OrtSession(opened, session);
    } finally {
      library.release("ReleaseSessionOptions", native);
    }
  }

  #open(): Opened {
    if (this.#opened === undefined) {
      throw new LatentSyncError("runtime", "The session host was used before it was opened.");
    }
    return this.#opened;
  }
}

/** A word for a graph and its weights. */
async function nameGraph(source: GraphSource): Promise<string> {
  const hash = createHash("sha256");
  if ("bytes" in source) {
    hash.update(source.bytes);
  } else {
    const { size, mtimeMs } = await stat(source.path);
    hash.update(`${source.path}\0${size}\0${mtimeMs}`);
  }
  return hash.digest("hex").slice(0, 32);
}

async function ownFolder(provider: ApiProvider, source: GraphSource): Promise<ApiProvider> {
  const { name, options, graphFolder } = provider;
  if (graphFolder === undefined) return provider;
  const folder = join(graphFolder.root, await nameGraph(source));
  await mkdir(folder, { recursive: true });
  return { name, options: { ...options, [graphFolder.option]: folder } };
}

/** The same choices as for onnxruntime-node, which `createWorkerRuntime` gives the reasons for. */
function configure(library: OrtLibrary, native: Pointer, options: ApiSessionOptions): void {
  const { threads, dimensions, providers } = options;
  library.check("SetSessionGraphOptimizationLevel", native, ALL_OPTIMIZATIONS);
  library.check("SetSessionLogSeverityLevel", native, LOG_FATAL);
  library.check("SetIntraOpNumThreads", native, threads);
  library.check("SetInterOpNumThreads", native, 1);
  library.check("DisableMemPattern", native);
  library.check("AddSessionConfigEntry", native, "session.intra_op.allow_spinning", "0");
  for (const [name, size] of Object.entries(dimensions)) {
    library.check("AddFreeDimensionOverrideByName", native, name, size);
  }
  for (const provider of providers) appendProvider(library, native, provider);
}

function appendProvider(library: OrtLibrary, native: Pointer, provider: ApiProvider): void {
  const { name, options } = provider;
  const made = library.create(`Create${name}ProviderOptions`);
  try {
    const keys = Object.keys(options);
    const values = Object.values(options);
    library.check(`Update${name}ProviderOptions`, made, keys, values, keys.length);
    library.check(`SessionOptionsAppendExecutionProvider_${name}_V2`, native, made);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new LatentSyncError(
      "unsupported",
      `ONNX Runtime's ${name} provider cannot be used: ${reason}`,
      { cause, hint: "Check the provider's options, or use the cpu or webgpu runtime." },
    );
  } finally {
    library.release(`Release${name}ProviderOptions`, made);
  }
}
