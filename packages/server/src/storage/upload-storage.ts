/** The server's own storage: what clients upload, and results of jobs whose `out` is `upload:`. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
} from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { UploadedObject, Uploads } from "../http/services.ts";
import { copyIntoHandle, fileBody, syncFolder, writeAll } from "./file-body.ts";
import type { Storage, StoredObject } from "./storage.ts";
import { statusError } from "./store-error.ts";
import { systemCode, toSystemError } from "./system-error.ts";
import { UPLOAD } from "./upload-location.ts";

export interface UploadStorageOptions {
  /** Created when something is stored. Nothing else may lie in it. */
  readonly folder: string;
  /** How long objects are kept. Default 7 days. */
  readonly retentionMs?: number;
  /** For all objects together. Default: as much as the disk holds. */
  readonly maxTotalBytes?: number;
  /** Space on the disk that uploads leave to the queue and to jobs. Default 0. */
  readonly minFreeBytes?: number;
}

/** `upload:ID`, where the id is a UUID. */
export interface UploadStorage extends Storage, Uploads {
  /** Removes what is older than the retention, and what a crash left. Resolves to the number of objects. */
  sweep(options?: { readonly signal?: AbortSignal }): Promise<number>;
  remove(id: string): Promise<void>;
}

interface Entry {
  /** Name of the file with the bytes. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly sha256: string;
  /** Left out for results, whose owner is the job's. */
  readonly owner?: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const WEEK_MS = 7 * 24 * 3_600_000;
/** Older than any upload that is still running. */
const ABANDONED_MS = 6 * 3_600_000;
/** Between two looks at the disk while an upload comes in. */
const CHECK_BYTES = 16 * 2 ** 20;
const HINT = "Uploads are kept for a limited time; upload the file again.";

export function createUploadStorage(options: UploadStorageOptions): UploadStorage {
  return new FolderUploads(options);
}

/** `<id>.<version>.bin` holds the bytes; `<id>.json`, written last, names it and makes it an object. */
class FolderUploads implements UploadStorage {
  readonly protocols = [UPLOAD];
  readonly #folder: string;
  readonly #retentionMs: number;
  readonly #maxTotalBytes: number;
  readonly #minFreeBytes: number;

  constructor(options: UploadStorageOptions) {
    this.#folder = options.folder;
    this.#retentionMs = options.retentionMs ?? WEEK_MS;
    this.#maxTotalBytes = options.maxTotalBytes ?? Number.POSITIVE_INFINITY;
    this.#minFreeBytes = options.minFreeBytes ?? 0;
  }

  check(url: URL): void {
    if (url.href !== UPLOAD) idOf(url);
  }

  async open(url: URL, options: Parameters<Storage["open"]>[1] = {}): Promise<StoredObject> {
    const { offset = 0, etag, signal } = options;
    const id = idOf(url);
    const entry = await this.#read(id);
    if (!entry) throw absent(id);
    const ownTag = `"${entry.sha256}"`;
    if (etag !== undefined && etag !== ownTag) throw statusError(`Reading upload:${id}`, 412);
    const handle = await open(join(this.#folder, entry.file), "r").catch((error: unknown) => {
      throw systemCode(error) === "ENOENT" ? absent(id) : toSystemError(error, "Reading an upload");
    });
    return {
      sizeBytes: entry.sizeBytes,
      etag: ownTag,
      offset,
      checksum: {
        algorithm: "sha256",
        base64: Buffer.from(entry.sha256, "hex").toString("base64"),
      },
      body: fileBody(handle, offset, signal),
    };
  }

  async put(...[url, file, options]: Parameters<Storage["put"]>): Promise<void> {
    const { sizeBytes, contentType, sha256 } = file;
    await this.#requireRoom(sizeBytes);
    await this.#write(idOf(url), async (handle) => {
      await copyIntoHandle(file.path, handle, options?.signal);
      return { sizeBytes, contentType, sha256 };
    });
  }

  async holds(...[url, file]: Parameters<NonNullable<Storage["holds"]>>): Promise<boolean> {
    const entry = await this.#read(idOf(url));
    return entry?.sha256 === file.sha256 && entry.sizeBytes === file.sizeBytes;
  }

  async store(
    upload: Parameters<Uploads["store"]>[0],
  ): Promise<{ readonly id: string; readonly sizeBytes: number; readonly sha256: string }> {
    const { owner, contentType, body, maxSizeBytes, signal } = upload;
    const used = await this.#requireRoom(0);
    const id = randomUUID();
    const entry = await this.#write(id, async (handle) => {
      const hash = createHash("sha256");
      let sizeBytes = 0;
      let checkAtBytes = 0;
      for await (const part of body) {
        signal?.throwIfAborted();
        if (sizeBytes >= checkAtBytes) {
          await this.#requireFreeDisk();
          checkAtBytes = sizeBytes + CHECK_BYTES;
        }
        sizeBytes += part.length;
        if (sizeBytes > maxSizeBytes) throw tooLarge(maxSizeBytes);
        if (used + sizeBytes > this.#maxTotalBytes) throw exhausted();
        await writeAll(handle, part, sizeBytes - part.length);
        hash.update(part);
      }
      await handle.sync();
      return { sizeBytes, contentType, sha256: hash.digest("hex"), owner };
    });
    return { id, sizeBytes: entry.sizeBytes, sha256: entry.sha256 };
  }

  async find(
    id: string,
    options: { readonly owner?: string },
  ): Promise<UploadedObject | undefined> {
    const entry = UUID.test(id) ? await this.#read(id) : undefined;
    if (!entry || (options.owner !== undefined && options.owner !== entry.owner)) return undefined;
    const path = join(this.#folder, entry.file);
    return {
      sizeBytes: entry.sizeBytes,
      contentType: entry.contentType,
      sha256: entry.sha256,
      async *read({ start, end, signal }) {
        yield* createReadStream(path, signal ? { start, end, signal } : { start, end });
      },
    };
  }

  async sweep(options: { readonly signal?: AbortSignal } = {}): Promise<number> {
    let removed = 0;
    for (const { name, modifiedMs } of await this.#files()) {
      options.signal?.throwIfAborted();
      const ageMs = Date.now() - modifiedMs;
      const id = name.slice(0, -".json".length);
      if (name.endsWith(".json") && ageMs > this.#retentionMs) {
        await this.remove(id);
        removed += 1;
      } else if (!name.endsWith(".json") && ageMs > ABANDONED_MS && !(await this.#isObject(name))) {
        await rm(join(this.#folder, name), { force: true });
      }
    }
    return removed;
  }

  async remove(id: string): Promise<void> {
    if (!UUID.test(id)) return;
    const entry = await this.#read(id);
    await rm(this.#entryPath(id), { force: true });
    if (entry) await rm(join(this.#folder, entry.file), { force: true });
  }

  async #write(
    id: string,
    fill: (handle: FileHandle) => Promise<Omit<Entry, "file">>,
  ): Promise<Entry> {
    const before = await this.#read(id);
    const file = `${id}.${randomUUID()}.bin`;
    const path = join(this.#folder, file);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      let entry: Entry;
      {
        await using handle = await open(path, "wx", 0o600);
        entry = { file, ...(await fill(handle)) };
      }
      await this.#writeEntry(id, entry);
      if (before) await rm(join(this.#folder, before.file), { force: true });
      return entry;
    } catch (error) {
      await rm(path, { force: true });
      throw toSystemError(error, "Storing the upload");
    }
  }

  async #writeEntry(id: string, entry: Entry): Promise<void> {
    const part = join(this.#folder, `${id}.${randomUUID()}.part`);
    try {
      {
        await using handle = await open(part, "wx", 0o600);
        await handle.writeFile(JSON.stringify(entry));
        await handle.sync();
      }
      await rename(part, this.#entryPath(id));
      await syncFolder(this.#folder);
    } finally {
      await rm(part, { force: true });
    }
  }

  async #read(id: string): Promise<Entry | undefined> {
    try {
      return JSON.parse(await readFile(this.#entryPath(id), "utf8")) as Entry;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw toSystemError(error, "Reading an upload");
    }
  }

  async #isObject(name: string): Promise<boolean> {
    const [id = ""] = name.split(".");
    return UUID.test(id) && (await this.#read(id))?.file === name;
  }

  /** Resolves to what is used. Uploads that run side by side may pass the limit together by a little. */
  async #requireRoom(bytes: number): Promise<number> {
    if (this.#maxTotalBytes === Number.POSITIVE_INFINITY) return 0;
    const files = await this.#files();
    const used = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (used + bytes > this.#maxTotalBytes) throw exhausted();
    return used;
  }

  /** Again and again, as other uploads may come in meanwhile. */
  async #requireFreeDisk(): Promise<void> {
    if (this.#minFreeBytes === 0) return;
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize >= this.#minFreeBytes) return;
    throw new LatentSyncError("disk_full", "The server's disk has no room for more uploads.", {
      hint: "Try again later, or use a storage of your own.",
    });
  }

  async #files(): Promise<
    readonly { readonly name: string; readonly sizeBytes: number; readonly modifiedMs: number }[]
  > {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return [];
      throw toSystemError(error, "Listing uploads");
    });
    const found = await Promise.all(
      names.map(async (name) => {
        const status = await stat(join(this.#folder, name)).catch(() => undefined);
        return status && { name, sizeBytes: status.size, modifiedMs: status.mtimeMs };
      }),
    );
    return found.filter((file) => file !== undefined);
  }

  #entryPath(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

function idOf(url: URL): string {
  const id = url.pathname;
  if (UUID.test(id) && url.search === "" && url.hash === "" && url.host === "") return id;
  throw new LatentSyncError("invalid_argument", "The upload: URL holds no id of an upload.", {
    hint: "Write upload: and the id that the upload was answered with.",
  });
}

function absent(id: string): LatentSyncError {
  return new LatentSyncError("not_found", `There is no upload ${id}.`, { hint: HINT });
}

function tooLarge(maxSizeBytes: number): LatentSyncError {
  return new LatentSyncError("too_large", `The upload has more than ${maxSizeBytes} bytes.`, {
    hint: "Upload a smaller file.",
  });
}

function exhausted(): LatentSyncError {
  return new LatentSyncError("exhausted", "The server's own storage is full.", {
    hint: "Try again later, or use a storage of your own.",
  });
}
