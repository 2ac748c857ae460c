/** A file of this machine into a store. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { StoredFile } from "./download.ts";
import { retry, type RetryOptions } from "./retry.ts";
import type { Storage, UploadFile } from "./storage.ts";
import { toSystemError } from "./system-error.ts";

export interface PublishOptions extends RetryOptions {
  readonly contentType: string;
}

/**
 * Stores a file at a URL. Where the store can tell that it has these bytes already, nothing is sent.
 * Statuses 408, 429 and 5xx and failures of the network are tried again; no other refusal is.
 * @throws LatentSyncError what the storage throws; the signal's reason on abort.
 */
export async function publishFile(
  storage: Storage,
  url: URL,
  path: string,
  options: PublishOptions,
): Promise<StoredFile> {
  const { contentType, signal } = options;
  const abortable = signal === undefined ? {} : { signal };
  const file: UploadFile = { path, contentType, ...(await measureFile(path, signal)) };
  await retry(options, async () => {
    if (await storage.holds?.(url, file, abortable)) return;
    await storage.put(url, file, abortable);
  });
  return { sizeBytes: file.sizeBytes, sha256: file.sha256 };
}

/** Size and SHA-256 of a file. @throws LatentSyncError `io`. */
export async function measureFile(
  path: string,
  signal: AbortSignal | undefined,
): Promise<StoredFile> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    const parts: AsyncIterable<Uint8Array> = createReadStream(path, { highWaterMark: 1 << 18 });
    for await (const part of parts) {
      signal?.throwIfAborted();
      hash.update(part);
      sizeBytes += part.length;
    }
  } catch (error) {
    throw toSystemError(error, "Reading the result");
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}
