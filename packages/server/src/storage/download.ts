/** A stored object into a file of this machine. */
import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { Crc32c } from "./crc32c.ts";
import { writeAll } from "./file-body.ts";
import { retry, type RetryOptions } from "./retry.ts";
import { releaseBody, type Storage, type StoredObject } from "./storage.ts";
import { mayPass } from "./store-error.ts";
import { toSystemError } from "./system-error.ts";

export interface DownloadOptions extends RetryOptions {
  /** More than this is `too_large`, whatever the store says of the size. */
  readonly maxBytes: number;
  readonly onProgress?: (progress: {
    readonly bytesDone: number;
    /** `undefined` if the store does not tell. */
    readonly bytesTotal: number | undefined;
  }) => void;
}

export interface StoredFile {
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** An attempt that brings so much is worth a new count of attempts. */
const WORTHWHILE_BYTES = 1 << 20;

/**
 * Streams an object into `path`, which appears when it is whole and its checksum, if the store
 * states one, agrees. An interrupted download goes on where it stopped if the store can vouch with an
 * etag that it is the same object, and starts again if it cannot. `<path>.part`, where the bytes
 * gather, never outlives the call.
 * @throws LatentSyncError `too_large`, `disk_full`, `io`, `network` if attempts are used up, and what
 * the storage throws; the signal's reason on abort.
 */
export async function downloadTo(
  storage: Storage,
  url: URL,
  path: string,
  options: DownloadOptions,
): Promise<StoredFile> {
  const partPath = `${path}.part`;
  try {
    const file = await fetchWhole(storage, url, partPath, options);
    await rename(partPath, path);
    return file;
  } catch (error) {
    await rm(partPath, { force: true });
    throw toSystemError(error, "Storing the download");
  }
}

async function fetchWhole(
  storage: Storage,
  url: URL,
  partPath: string,
  options: DownloadOptions,
): Promise<StoredFile> {
  await using handle = await open(partPath, "w");
  const download = new Download(handle, options);
  await retry(
    {
      ...options,
      gotOn: () => download.gotOn(),
      mayRetry: (error) => mayPass(error) || isChange(error),
    },
    () => download.attempt(storage, url),
  );
  return download.result();
}

/** The object was replaced while it was being read. */
function isChange(error: unknown): boolean {
  return LatentSyncError.is(error) && error.code === "conflict";
}

/** A running checksum of either kind. */
interface Checksum {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "base64"): string;
}

class Download {
  readonly #handle: FileHandle;
  readonly #options: DownloadOptions;
  #bytesDone = 0;
  #bytesBefore = 0;
  #sha256 = createHash("sha256");
  #etag: string | undefined;
  #stated: StoredObject["checksum"];
  #check: Checksum | undefined;

  constructor(handle: FileHandle, options: DownloadOptions) {
    this.#handle = handle;
    this.#options = options;
  }

  async attempt(storage: Storage, url: URL): Promise<void> {
    const { signal } = this.#options;
    // Only a strong etag vouches for bytes.
    if (this.#etag === undefined || this.#etag.startsWith("W/")) await this.#restart();
    this.#bytesBefore = this.#bytesDone;
    const object = await storage
      .open(url, {
        offset: this.#bytesDone,
        ...(this.#etag === undefined ? {} : { etag: this.#etag }),
        ...(signal === undefined ? {} : { signal }),
      })
      .catch(async (error: unknown) => {
        if (isChange(error)) await this.#restart();
        throw error;
      });
    await this.#receive(object);
  }

  async #receive(object: StoredObject): Promise<void> {
    let finished = false;
    try {
      await this.#begin(object);
      for await (const part of object.body) await this.#append(part, object.sizeBytes);
      finished = true;
    } finally {
      if (!finished) await releaseBody(object);
    }
    const { sizeBytes } = object;
    if (sizeBytes !== undefined && this.#bytesDone !== sizeBytes) {
      throw incomplete(`${this.#bytesDone} of ${sizeBytes} bytes came`);
    }
    await this.#verify();
  }

  async #begin(object: StoredObject): Promise<void> {
    const { maxBytes } = this.#options;
    if (object.sizeBytes !== undefined && object.sizeBytes > maxBytes) {
      throw tooLarge(`${object.sizeBytes} bytes`, maxBytes);
    }
    if (object.offset !== this.#bytesDone) await this.#restart();
    if (this.#bytesDone > 0) return;
    this.#etag = object.etag;
    this.#stated = object.checksum;
    const algorithm = object.checksum?.algorithm;
    this.#check =
      algorithm === "crc32c" ? new Crc32c() : algorithm === "md5" ? createHash("md5") : undefined;
  }

  async #append(part: Uint8Array, bytesTotal: number | undefined): Promise<void> {
    const { maxBytes, signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    if (this.#bytesDone + part.length > maxBytes) throw tooLarge("more", maxBytes);
    await writeAll(this.#handle, part, this.#bytesDone);
    this.#sha256.update(part);
    this.#check?.update(part);
    this.#bytesDone += part.length;
    onProgress?.({ bytesDone: this.#bytesDone, bytesTotal });
  }

  async #verify(): Promise<void> {
    if (!this.#stated) return;
    const { algorithm, base64 } = this.#stated;
    const actual = this.#check
      ? this.#check.digest("base64")
      : this.#sha256.copy().digest("base64");
    if (actual === base64) return;
    await this.#restart();
    throw incomplete(`its ${algorithm} is ${actual} instead of ${base64}`);
  }

  async #restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#bytesDone = 0;
    this.#sha256 = createHash("sha256");
    this.#check = undefined;
    this.#stated = undefined;
    this.#etag = undefined;
  }

  gotOn(): boolean {
    return this.#bytesDone - this.#bytesBefore >= WORTHWHILE_BYTES;
  }

  result(): StoredFile {
    return { sizeBytes: this.#bytesDone, sha256: this.#sha256.digest("hex") };
  }
}

function incomplete(what: string): LatentSyncError {
  return new LatentSyncError("network", `The download is not what the store announced: ${what}.`, {
    hint: "Try again later, or store the file anew.",
  });
}

function tooLarge(what: string, maxBytes: number): LatentSyncError {
  return new LatentSyncError("too_large", `The file has ${what}; at most ${maxBytes} are taken.`, {
    hint: "Give a smaller file.",
  });
}
