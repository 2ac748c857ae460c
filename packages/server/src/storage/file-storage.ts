/** Files under folders that the operator allows. */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { LatentSyncError } from "@ls/core";
import { copyIntoHandle, fileBody, syncFolder } from "./file-body.ts";
import type { Storage, StoredObject } from "./storage.ts";
import { statusError } from "./store-error.ts";
import { systemCode, toSystemError } from "./system-error.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Names of files that are being written. */
const PART = /^\.[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\.part$/;
/** Nobody who lives writes to a file for so long without a byte. */
const ABANDONED_MS = 3_600_000;

export interface FileStorageOptions {
  /** Folders below which files may be read and written; without any, all are refused. */
  readonly roots: readonly string[];
  /** Folders and files of the server's own, which are refused although a root above has them. */
  readonly closed?: readonly string[];
}

interface Places {
  readonly roots: readonly string[];
  readonly closed: readonly string[];
}

/**
 * `file:` URLs. Links are followed as long as they stay below a root. Only plain files are read; a
 * file is written under another name beside its own, and renamed when it is whole and on the disk.
 * Folders are not created.
 */
export function createFileStorage(options: FileStorageOptions): Storage {
  const places: Places = {
    roots: options.roots.map((root) => resolve(root)),
    closed: (options.closed ?? []).map((path) => resolve(path)),
  };
  return {
    protocols: ["file:"],
    check(url) {
      const path = pathOf(url);
      // Links are seen when the file is opened; what lies outside by its very name is outside.
      if (!isOpen(path, places)) throw outside();
    },
    async open(url, { offset = 0, etag, signal } = {}) {
      const handle = await openBelow(pathOf(url), places);
      return describe(handle, { offset, etag, signal });
    },
    async put(url, file, { signal } = {}) {
      const path = pathOf(url);
      const real = await realPlaces(places);
      try {
        const folder = await realpath(dirname(path)).catch(notFound);
        if (!isOpen(join(folder, basename(path)), real)) throw outside();
        await writeInto(folder, basename(path), file.path, signal);
      } catch (error) {
        throw toSystemError(error, "Writing the file");
      }
    },
  };
}

/** The path that a URL names, before links are followed. */
function pathOf(url: URL): string {
  if (url.search !== "" || url.hash !== "") {
    throw refused("A file: URL cannot have a query or a fragment; write %3F and %23 in names.");
  }
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch (cause) {
    // A host, or an encoded slash.
    throw refused("The file: URL does not name a local path.", cause);
  }
  if (path.includes("\0")) throw refused("The file: URL holds a null character.");
  if (path.endsWith(sep)) throw refused("The file: URL names a folder.");
  return path;
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** A closed place counts for the roots that hold it: a root within it was chosen on purpose. */
function isOpen(path: string, { roots, closed }: Places): boolean {
  const isIn = (inner: string, outer: string): boolean => inner === outer || isBelow(inner, outer);
  return roots.some(
    (root) =>
      isBelow(path, root) && !closed.some((place) => isIn(place, root) && isIn(path, place)),
  );
}

/** Places as they are now, those left out that do not exist. */
async function realPlaces({ roots, closed }: Places): Promise<Places> {
  const real = async (paths: readonly string[]): Promise<readonly string[]> => {
    const found = await Promise.all(paths.map((path) => realpath(path).catch(() => undefined)));
    return found.filter((path) => path !== undefined);
  };
  return { roots: await real(roots), closed: await real(closed) };
}

/** The nearest folder above a path that exists, links followed. */
async function nearestFolder(path: string): Promise<string> {
  const folder = dirname(path);
  if (folder === path) return path;
  return realpath(folder).catch(() => nearestFolder(folder));
}

async function openBelow(path: string, places: Places): Promise<FileHandle> {
  try {
    const now = await realPlaces(places);
    const real = await realpath(path).catch(async (error: unknown) => {
      // Whether something exists outside of the roots is nobody's business.
      const ancestor = await nearestFolder(path);
      if (!isOpen(join(ancestor, basename(path)), now)) throw outside();
      return notFound(error);
    });
    if (!isOpen(real, now)) throw outside();
    // Not to wait for the writer of a pipe, nor to follow a link that was put there just now.
    const handle = await open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(notFound);
    try {
      if (!(await handle.stat()).isFile()) throw refused("The file: URL names no plain file.");
      if ((await realpath(path)) !== real) throw outside();
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw toSystemError(error, "Reading the file");
  }
}

async function describe(
  handle: FileHandle,
  asked: {
    readonly offset: number;
    readonly etag: string | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<StoredObject> {
  const { ino, size, mtimeNs } = await handle.stat({ bigint: true });
  const etag = `"${ino.toString(36)}-${size.toString(36)}-${mtimeNs.toString(36)}"`;
  if (asked.etag !== undefined && asked.etag !== etag) {
    await handle.close();
    throw statusError("Reading the file", 412);
  }
  return {
    sizeBytes: Number(size),
    etag,
    offset: asked.offset,
    checksum: undefined,
    body: fileBody(handle, asked.offset, asked.signal),
  };
}

/** Removes what processes have left that died while they wrote. */
async function removeAbandoned(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((found) => PART.test(found))) {
    const path = join(folder, name);
    const status = await lstat(path).catch(() => undefined);
    if (status?.isFile() !== true || Date.now() - status.mtimeMs < ABANDONED_MS) continue;
    await rm(path, { force: true }).catch(() => undefined);
  }
}

async function writeInto(
  folder: string,
  name: string,
  source: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await removeAbandoned(folder);
  const temporary = join(folder, `.${randomUUID()}.part`);
  try {
    await using handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    await copyIntoHandle(source, handle, signal);
    signal?.throwIfAborted();
    await rename(temporary, join(folder, name));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    if (systemCode(error) === "EISDIR" || systemCode(error) === "ENOTEMPTY") {
      throw refused("The file: URL names a folder.", error);
    }
    throw error;
  }
}

function notFound(error: unknown): never {
  const code = systemCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    throw new LatentSyncError("not_found", "The file: URL names nothing that exists.", {
      cause: error,
      hint: "Check the path; folders are not created.",
    });
  }
  if (code === "ELOOP" || code === "ENXIO" || code === "ENAMETOOLONG") {
    throw refused("The file: URL names no plain file.", error);
  }
  throw error;
}

function outside(): LatentSyncError {
  return refused("The file: URL leads outside of the folders that are allowed.");
}

function refused(message: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("forbidden", message, {
    cause,
    hint: "Name a plain file below a folder that the operator allows.",
  });
}
