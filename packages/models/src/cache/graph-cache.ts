import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import {
  cacheFolder,
  formatOwner,
  isGone,
  parseOwner,
  systemCode,
  thisProcess,
  toFileError,
} from "@ls/files";

/** A finished entry of the cache. */
export interface GraphCacheEntry {
  readonly key: string;
  readonly path: string;
  /** Size of its files in bytes. */
  readonly bytes: number;
  /** When it was made. */
  readonly createdAt: Date;
}

/** Fills `folder`, which is empty and private, with an entry's files. */
export type GraphCacheBuild = (folder: string, signal?: AbortSignal) => Promise<void>;

const TEMPORARY = /^\.building-(.+)-([A-Za-z0-9]+_\d+_\d+)-[0-9a-f]+$/;
/** No build lasts this long, so an older one on a machine we cannot ask has been left behind. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** Builds under way in this process, by the entry's path. */
const buildsUnderWay = new Map<string, Promise<unknown>>();

/**
 * Folders of built graphs, by a key made of everything that the content depends on. Safe with any
 * number of processes: an entry is built in a temporary folder and appears whole, by a rename.
 */
export class GraphCache {
  /** The folder that holds the entries: `graphs` in the cache folder. */
  readonly folder: string;

  /** @param options.folder the cache folder; {@link cacheFolder} if not given. */
  constructor(options: { readonly folder?: string } = {}) {
    this.folder = join(options.folder ?? cacheFolder(), "graphs");
  }

  /** The entry's folder if it is there. */
  async find(key: string): Promise<string | undefined> {
    const path = this.#path(key);
    return (await isFolder(path)) ? path : undefined;
  }

  /**
   * The entry's folder; built first if it is not there. Callers within a process wait for one
   * another; between processes the first to finish wins and the others' work is dropped.
   * @param key letters, digits, `.`, `_` and `-`, 200 at most.
   * @throws LatentSyncError `disk_full` or `io`; whatever `build` throws; the signal's reason. On
   *   any of them nothing is left behind.
   */
  async getOrCreate(
    key: string,
    build: GraphCacheBuild,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    const { signal } = options;
    const path = this.#path(key);
    for (;;) {
      signal?.throwIfAborted();
      if (await isFolder(path)) return path;
      const other = buildsUnderWay.get(path);
      if (other === undefined) break;
      await settled(other, signal);
    }
    const own = this.#create(key, path, build, signal);
    buildsUnderWay.set(path, own);
    try {
      return await own;
    } finally {
      buildsUnderWay.delete(path);
    }
  }

  /** All finished entries, by key. */
  async list(): Promise<readonly GraphCacheEntry[]> {
    const entries: GraphCacheEntry[] = [];
    for (const key of await readFolder(this.folder)) {
      const path = join(this.folder, key);
      if (key.startsWith(".") || !(await isFolder(path))) continue;
      const { mtime } = await stat(path);
      entries.push({ key, path, bytes: await folderBytes(path), createdAt: mtime });
    }
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /**
   * Removes all finished entries and what dead processes have left.
   * @returns bytes of the entries that were removed.
   */
  async clear(): Promise<number> {
    await this.#removeStale();
    let bytes = 0;
    for (const entry of await this.list()) {
      // Renamed first, so that no reader ever sees half an entry.
      const doomed = this.#temporaryPath(entry.key);
      await rename(entry.path, doomed);
      await rm(doomed, { recursive: true, force: true });
      bytes += entry.bytes;
    }
    return bytes;
  }

  #path(key: string): string {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/.test(key)) {
      throw new LatentSyncError(
        "invalid_argument",
        `${JSON.stringify(key)} is not a cache key: 1 to 200 letters, digits, ".", "_" and "-" were expected.`,
        { hint: "Use a hash in hexadecimal." },
      );
    }
    return join(this.folder, key);
  }

  #temporaryPath(key: string): string {
    const owner = formatOwner(thisProcess());
    return join(this.folder, `.building-${key}-${owner}-${randomBytes(6).toString("hex")}`);
  }

  async #create(
    key: string,
    path: string,
    build: GraphCacheBuild,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const temporary = this.#temporaryPath(key);
    try {
      await mkdir(this.folder, { recursive: true });
      await this.#removeStale();
      await mkdir(temporary);
      await build(temporary, signal);
      signal?.throwIfAborted();
      await flushFolder(temporary);
      await putInPlace(temporary, path);
      await flushEntry(this.folder);
      return path;
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      const isSystemError = error instanceof Error && "syscall" in error;
      throw isSystemError ? toFileError(error, temporary) : error;
    }
  }

  /** Removes temporary folders whose process is gone. */
  async #removeStale(): Promise<void> {
    for (const name of await readFolder(this.folder)) {
      const owner = parseOwner(TEMPORARY.exec(name)?.[2] ?? "");
      if (owner === undefined) continue;
      const path = join(this.folder, name);
      if (isGone(owner) || (await isAbandoned(path))) {
        await rm(path, { recursive: true, force: true });
      }
    }
  }
}

/** Resolves when `promise` has ended in any way. */
async function settled(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  const ended = promise.then(
    () => undefined,
    () => undefined,
  );
  if (signal === undefined) return ended;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([ended, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function isAbandoned(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => Date.now() - stats.mtimeMs > ABANDONED_MS,
    () => false,
  );
}

async function readFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw toFileError(error, path);
  }
}

/** Another process may have put the same entry there; then ours is dropped. */
async function putInPlace(temporary: string, path: string): Promise<void> {
  try {
    await rename(temporary, path);
  } catch (error) {
    if (!(await isFolder(path))) throw error;
    await rm(temporary, { recursive: true, force: true });
  }
}

async function flushEntry(path: string): Promise<void> {
  // Windows cannot flush a folder.
  if (process.platform === "win32" && (await isFolder(path))) return;
  await using handle = await open(path, "r");
  await handle.sync();
}

async function flushFolder(path: string): Promise<void> {
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() || entry.isDirectory()) {
      await flushEntry(join(entry.parentPath, entry.name));
    }
  }
  await flushEntry(path);
}

async function folderBytes(path: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += await lstat(join(entry.parentPath, entry.name)).then(
      (stats) => stats.size,
      () => 0,
    );
  }
  return bytes;
}
