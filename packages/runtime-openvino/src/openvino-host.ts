/** Holds graphs and runs them on the calling thread, which `create` and `run` block. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { type GraphSource, LatentSyncError } from "@ls/core";
import {
  fixDimensions,
  type HostedSession,
  type SessionHost,
  type Tensors,
} from "@ls/runtime-onnx/host";
import { blobFolder } from "./blob-cache.ts";
import { CompiledGraph, DEVICE } from "./compiled-graph.ts";
import { describeSource, loadError, runError } from "./errors.ts";
import type { OpenVinoLibrary, Pointer } from "./library.ts";
import { type OnnxInterface, readOnnxInterface } from "./onnx-interface.ts";
import { type LibraryCandidate, openLibrary } from "./open-library.ts";

/** How a graph is compiled. */
export interface GraphOptions {
  /** Sizes of symbolic dimensions by name. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** OpenVINO's properties for compiling. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Most shapes that a graph is kept compiled for: whole and last chunks, with guidance or without. */
const MOST_SHAPES = 4;

/** The part of the memory that a graph's compiled shapes may fill. */
const MEMORY_SHARE = 0.5;

/** Each shape has its weights, as they are or in half precision, and room for activations. */
function keptShapes(weightBytes: number): number {
  const fitting = Math.floor((totalmem() * MEMORY_SHARE) / (weightBytes + 1));
  return Math.min(Math.max(fitting, 1), MOST_SHAPES);
}

async function readInterface(source: GraphSource): Promise<OnnxInterface> {
  const bytes = "bytes" in source ? source.bytes : await readFile(source.path);
  try {
    return readOnnxInterface(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LatentSyncError(
      "invalid_model",
      `${describeSource(source)} is no ONNX model: ${reason}.`,
      { cause, hint: "The file is damaged: delete it and get it again." },
    );
  }
}

/** OpenVINO would find out too, but says it differently in every release. */
function checkExternalFiles(source: GraphSource, files: readonly string[]): void {
  const missing = files.find(
    (file) => !("path" in source && existsSync(join(dirname(source.path), file))),
  );
  if (missing === undefined) return;
  throw new LatentSyncError(
    "not_found",
    `${describeSource(source)} keeps weights in ${missing}, which is not there.`,
    { hint: "Keep the model's external data file beside the model and load it by its path." },
  );
}

/** What an open host has. */
interface Opened {
  readonly library: OpenVinoLibrary;
  readonly core: Pointer;
  readonly version: string;
}

/** Runs graphs by OpenVINO, on the thread it is called on. */
export class OpenVinoHost implements SessionHost<GraphOptions> {
  readonly #candidates: readonly LibraryCandidate[];
  readonly #graphs = new Map<number, CompiledGraph>();
  #opened: Opened | undefined;
  #nextId = 0;

  /** @param candidates libraries to try, in order. */
  constructor(candidates: readonly LibraryCandidate[]) {
    this.#candidates = candidates;
  }

  /** @returns the library's path, its version, and what the CPU can do. */
  async open(): Promise<readonly string[]> {
    const { library, path, version } = openLibrary(this.#candidates);
    const core = library.createCore();
    this.#opened = { library, core, version };
    const capabilities = library.property(core, DEVICE, "OPTIMIZATION_CAPABILITIES");
    return [path, version, ...capabilities.split(/[\s,]+/u)];
  }

  async create(source: GraphSource, options: GraphOptions): Promise<HostedSession> {
    const { library, core, version } = this.#open();
    const { dimensions, properties } = options;
    const { inputs, outputs, weightBytes, externalFiles } = await readInterface(source);
    checkExternalFiles(source, externalFiles);
    const blobs =
      "path" in source
        ? await blobFolder(
            { path: source.path, externalFiles, weightBytes },
            { release: version, properties },
          )
        : undefined;
    try {
      const model =
        "path" in source
          ? library.readModel(core, source.path)
          : library.readModelBytes(core, source.bytes);
      const graph = new CompiledGraph({
        ...{ library, core, model, outputs },
        inputs: fixDimensions(inputs, dimensions),
        properties: {
          ...properties,
          ...(blobs === undefined ? {} : { CACHE_DIR: blobs }),
        },
        keptShapes: keptShapes(weightBytes),
      });
      const id = this.#nextId++;
      this.#graphs.set(id, graph);
      return { id, inputs, outputs };
    } catch (error) {
      throw loadError(error, source);
    }
  }

  async run(id: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors> {
    const graph = this.#graphs.get(id);
    if (graph === undefined) {
      throw new LatentSyncError("disposed", "The session was used after it was disposed.");
    }
    try {
      return graph.run(feeds, outputs);
    } catch (error) {
      throw runError(error);
    }
  }

  async release(id: number): Promise<void> {
    const graph = this.#graphs.get(id);
    this.#graphs.delete(id);
    graph?.[Symbol.dispose]();
  }

  async close(): Promise<void> {
    for (const id of [...this.#graphs.keys()]) await this.release(id);
    if (this.#opened === undefined) return;
    const { library, core } = this.#opened;
    this.#opened = undefined;
    library.free("ov_core_free", core);
  }

  #open(): Opened {
    if (this.#opened === undefined) {
      throw new LatentSyncError("runtime", "The session host was used before it was opened.");
    }
    return this.#opened;
  }
}
