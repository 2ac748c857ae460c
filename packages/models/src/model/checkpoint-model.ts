/** A checkpoint as a model: its graphs are built when they are asked for, and cached. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { GraphRequest, GraphSource, LatentSyncModel, ModelInfo } from "@ls/core";
import type { GraphCache } from "../cache/index.ts";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import { type NamedGraph, writeGraphs } from "../graph/index.ts";
import { encodeModel, type TensorLocation } from "../graph/model-proto.ts";
import { buildGroup, type GraphGroup, graphFileName, groupOf } from "./network-graphs.ts";

/** Reports the writing of weights: `group` is being built, `writtenBytes` of `totalBytes` are done. */
export type GraphProgress = (group: GraphGroup, writtenBytes: number, totalBytes: number) => void;

export interface CheckpointModelOptions {
  readonly checkpoint: ModelCheckpoint;
  readonly info: ModelInfo;
  readonly cache: GraphCache;
  readonly onProgress?: GraphProgress | undefined;
}

export class CheckpointModel implements LatentSyncModel, AsyncDisposable {
  readonly info: ModelInfo;
  readonly #checkpoint: ModelCheckpoint;
  readonly #cache: GraphCache;
  readonly #onProgress: GraphProgress | undefined;

  constructor(options: CheckpointModelOptions) {
    this.info = options.info;
    this.#checkpoint = options.checkpoint;
    this.#cache = options.cache;
    this.#onProgress = options.onProgress;
  }

  async graph(request: GraphRequest): Promise<GraphSource> {
    const { kind, profile, precision, signal } = request;
    const group = groupOf(kind);
    const graphs = buildGroup(group, this.#checkpoint, this.info, { profile, precision });
    const key = `${group}-${profile}-${precision}-${contentHash(graphs, this.info.hash)}`;
    const onProgress = this.#onProgress;
    const folder = await this.#cache.getOrCreate(
      key,
      async (directory, buildSignal) => {
        await writeGraphs({
          graphs,
          directory,
          dataFileName: `${group}.onnx.data`,
          ...(buildSignal === undefined ? {} : { signal: buildSignal }),
          ...(onProgress === undefined
            ? {}
            : { onProgress: (written, total) => onProgress(group, written, total) }),
        });
      },
      signal === undefined ? {} : { signal },
    );
    return { path: join(folder, graphFileName(kind)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#checkpoint[Symbol.asyncDispose]();
  }
}

/**
 * Raised when builders write other weights into a graph of the same structure: the content hash
 * sees the structure by itself.
 */
const WEIGHTS_VERSION = 1;

/**
 * Hash of the graphs' structure and of the checkpoint they take their weights from, so that a cache
 * never serves the graphs of another checkpoint or of another version of the builders.
 */
function contentHash(graphs: readonly NamedGraph[], checkpointHash: string): string {
  const hash = createHash("sha256").update(`${WEIGHTS_VERSION} ${checkpointHash}`);
  const nowhere: TensorLocation = { file: "", offset: 0, length: 0 };
  for (const { graph } of graphs) {
    const locations = new Map([...graph.initializers.keys()].map((name) => [name, nowhere]));
    hash.update(encodeModel(graph, locations));
  }
  return hash.digest("hex").slice(0, 32);
}
