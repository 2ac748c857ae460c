/** Where OpenVINO keeps what it compiled, so that a small graph need not be compiled again. */
import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { cacheFolder } from "@ls/files";

/**
 * Graphs with more weights are compiled anew each time: what is kept of one is larger than its
 * weights and is kept for every shape, and reading it takes its time, too.
 */
const MOST_WEIGHT_BYTES = 64 * 1024 * 1024;

/** A file as it is now: another one of the same name has another size or time. */
async function identityOf(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${path}\0${size}\0${mtimeMs}`;
}

export interface CachedGraph {
  readonly path: string;
  /** Files of its weights, relative to its folder. */
  readonly externalFiles: readonly string[];
  readonly weightBytes: number;
}

/** What it is compiled by. */
export interface Compiler {
  readonly release: string;
  readonly properties: Readonly<Record<string, string>>;
}

/**
 * The folder for a graph's compiled forms, made if need be; undefined if it is too large, or if
 * there is no place to write. A folder for each graph, CPU and set of properties: OpenVINO 2026.4
 * takes what was compiled in float32 for bfloat16, and then computes nothing but NaN.
 */
export async function blobFolder(
  { path, externalFiles, weightBytes }: CachedGraph,
  { release, properties }: Compiler,
): Promise<string | undefined> {
  if (weightBytes > MOST_WEIGHT_BYTES) return undefined;
  const files = [path, ...externalFiles.map((file) => join(dirname(path), file))];
  const parts = await Promise.all(files.map(identityOf));
  parts.push(cpus()[0]?.model ?? "", JSON.stringify(properties));
  const key = createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 32);
  const folder = join(cacheFolder(), "openvino", release, key);
  try {
    await mkdir(folder, { recursive: true });
    return folder;
  } catch {
    return undefined;
  }
}
