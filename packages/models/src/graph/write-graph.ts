/** Writes graphs to disk: one small `.onnx` each, and one data file for the weights they share. */
import { type FileHandle, mkdir, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { byteSize, bytesOf } from "./element-type.ts";
import type { Graph, Initializer } from "./graph.ts";
import { type TensorLocation, encodeModel } from "./model-proto.ts";

export interface NamedGraph {
  readonly graph: Graph;
  /** Name of the graph file, such as `unet.onnx`. */
  readonly fileName: string;
}

export interface WriteGraphsOptions {
  readonly graphs: readonly NamedGraph[];
  /** Where the files go; created if it does not exist. */
  readonly directory: string;
  /** Name of the data file; the first graph's with `.data` added if not given. */
  readonly dataFileName?: string;
  readonly signal?: AbortSignal;
  /** Called after each tensor with the bytes of weights written so far and in all. */
  readonly onProgress?: (writtenBytes: number, totalBytes: number) => void;
}

/** Weights of at most this size in all are kept inside the graph files. */
const INLINE_BYTES = 1024 * 1024;
/** Tensors of this size or more start at a page, so that a runtime can map them. */
const PAGE_ALIGNED_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;
const ALIGNMENT_BYTES = 64;

/** Writes one graph and its weights. See {@link writeGraphs}. @returns the path of the graph. */
export async function writeGraph(
  graph: Graph,
  directory: string,
  fileName: string,
  options: Pick<WriteGraphsOptions, "signal" | "onProgress"> = {},
): Promise<string> {
  const [path] = await writeGraphs({ ...options, graphs: [{ graph, fileName }], directory });
  return path as string;
}

/**
 * Writes graphs that share their weights: an initializer that occurs in several of them, by name,
 * is stored once. One tensor at a time is in memory. On failure the files are removed.
 * @returns the paths of the graphs, in order.
 * @throws LatentSyncError `disk_full`, `io`, or what reading a tensor throws.
 */
export async function writeGraphs(options: WriteGraphsOptions): Promise<string[]> {
  const { graphs, directory, signal } = options;
  const first = graphs[0];
  if (first === undefined) return [];
  signal?.throwIfAborted();
  const dataFileName = options.dataFileName ?? `${first.fileName}.data`;
  const initializers = collectInitializers(graphs);
  const totalBytes = initializers.reduce(
    (sum, { dtype, shape }) => sum + byteSize(dtype, shape),
    0,
  );
  const paths = graphs.map(({ fileName }) => join(directory, fileName));
  const written = [...paths, join(directory, dataFileName)];
  try {
    await mkdir(directory, { recursive: true });
    const locations =
      totalBytes <= INLINE_BYTES
        ? await loadInline(initializers, signal)
        : await writeData(initializers, directory, dataFileName, totalBytes, options);
    for (const [index, { graph }] of graphs.entries()) {
      await writeFile(paths[index] as string, encodeModel(graph, locations), { signal });
    }
    return paths;
  } catch (error) {
    // Whatever stops the removal has already been met while writing.
    await Promise.allSettled(written.map((path) => rm(path, { force: true })));
    signal?.throwIfAborted();
    throw asWriteError(error, directory);
  }
}

/** A graph as the bytes of a model without external data: for small graphs. */
export async function encodeGraph(graph: Graph, signal?: AbortSignal): Promise<Uint8Array> {
  return encodeModel(graph, await loadInline([...graph.initializers.values()], signal));
}

function collectInitializers(graphs: readonly NamedGraph[]): Initializer[] {
  const byName = new Map<string, Initializer>();
  for (const { graph } of graphs) {
    for (const [name, initializer] of graph.initializers) {
      const other = byName.get(name);
      if (other === undefined) byName.set(name, initializer);
      else if (describeType(other) !== describeType(initializer)) {
        throw new LatentSyncError(
          "invalid_argument",
          `Graphs written together disagree on ${name}: ${describeType(other)} and ${describeType(initializer)}.`,
        );
      }
    }
  }
  return [...byName.values()];
}

function describeType({ dtype, shape }: Initializer): string {
  return `${dtype} [${shape.join(", ")}]`;
}

async function loadInline(
  initializers: readonly Initializer[],
  signal: AbortSignal | undefined,
): Promise<Map<string, TensorLocation>> {
  const locations = new Map<string, TensorLocation>();
  for (const initializer of initializers) {
    signal?.throwIfAborted();
    locations.set(initializer.name, { bytes: await loadBytes(initializer) });
  }
  return locations;
}

async function writeData(
  initializers: readonly Initializer[],
  directory: string,
  file: string,
  totalBytes: number,
  { signal, onProgress }: WriteGraphsOptions,
): Promise<Map<string, TensorLocation>> {
  const locations = new Map<string, TensorLocation>();
  await using handle = await open(join(directory, file), "w");
  let offset = 0;
  let writtenBytes = 0;
  for (const initializer of initializers) {
    signal?.throwIfAborted();
    const bytes = await loadBytes(initializer);
    const alignment = bytes.length >= PAGE_ALIGNED_BYTES ? PAGE_BYTES : ALIGNMENT_BYTES;
    offset = Math.ceil(offset / alignment) * alignment;
    await writeFully(handle, bytes, offset);
    locations.set(initializer.name, { file, offset, length: bytes.length });
    offset += bytes.length;
    writtenBytes += bytes.length;
    onProgress?.(writtenBytes, totalBytes);
  }
  return locations;
}

async function loadBytes(initializer: Initializer): Promise<Uint8Array> {
  const bytes = bytesOf(await initializer.load());
  const expected = byteSize(initializer.dtype, initializer.shape);
  if (bytes.length !== expected) {
    throw new LatentSyncError(
      "invalid_model",
      `${initializer.name} has ${bytes.length} bytes, but ${describeType(initializer)} needs ${expected}.`,
    );
  }
  return bytes;
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

function asWriteError(error: unknown, directory: string): unknown {
  if (LatentSyncError.is(error) || !(error instanceof Error) || !("code" in error)) return error;
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    return new LatentSyncError("disk_full", `The disk is full while writing to ${directory}.`, {
      cause: error,
      hint: "Free space, or choose another cache folder with LATENTSYNC_HOME.",
    });
  }
  return new LatentSyncError("io", `Cannot write the graphs to ${directory}: ${error.message}`, {
    cause: error,
  });
}
