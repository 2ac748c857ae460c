/** Finished segments of one request as files of a folder. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SegmentStore } from "@ls/core";
import { systemCode, toFileError, writeAtomically } from "@ls/files";

/**
 * Everything that latents depend on, by name: hashes of the inputs and of the model, settings, seed,
 * runtime, precision, versions. One that differs makes all segments of the folder count as absent.
 */
export type SegmentFingerprint = Readonly<Record<string, string | number | boolean>>;

export interface SegmentFolderOptions {
  /** Created when the first segment is written. Whoever names it removes it. */
  readonly folder: string;
  readonly fingerprint: SegmentFingerprint;
}

/** Format of the files; to be raised when it changes. */
const FORMAT = "latentsync-segment 1";
const DIGEST_BYTES = 32;

/**
 * Keeps segments in a folder, one file each: a SHA-256, then the latents as they lie in memory. The
 * SHA-256 is over format, fingerprint, chunk and latents, so that a file that is torn, damaged, of
 * another request or of another chunk counts as absent, and is replaced when its chunk is done again.
 * Files appear whole, by a rename; a process that is killed while it writes may leave a `.tmp` file.
 *
 * `write` throws LatentSyncError `disk_full` or `io`, `read` throws `io`.
 */
export function createSegmentFolder(options: SegmentFolderOptions): SegmentStore {
  return new SegmentFolder(options);
}

class SegmentFolder implements SegmentStore {
  readonly #folder: string;
  readonly #identity: string;

  constructor({ folder, fingerprint }: SegmentFolderOptions) {
    this.#folder = folder;
    const fields = Object.entries(fingerprint).toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#identity = JSON.stringify([FORMAT, fields]);
  }

  async read(
    chunk: number,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array | undefined> {
    signal?.throwIfAborted();
    const path = this.#path(chunk);
    let file: Buffer;
    try {
      file = await readFile(path, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (systemCode(error) === "ENOENT") return undefined;
      throw toFileError(error, path);
    }
    const content = file.subarray(DIGEST_BYTES);
    if (!file.subarray(0, DIGEST_BYTES).equals(this.#digest(chunk, content))) return undefined;
    // A copy of its own, at an address that is aligned for floats.
    return new Float32Array(Uint8Array.from(content).buffer);
  }

  async write(
    chunk: number,
    latents: Float32Array,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    const content = Buffer.from(latents.slice().buffer);
    await writeAtomically(this.#path(chunk), async (sink) => {
      await sink.write(this.#digest(chunk, content));
      await sink.write(content);
    });
  }

  #path(chunk: number): string {
    return join(this.#folder, `segment-${String(chunk).padStart(6, "0")}.latents`);
  }

  #digest(chunk: number, content: Buffer): Buffer {
    return createHash("sha256").update(`${this.#identity}\n${chunk}\n`).update(content).digest();
  }
}
