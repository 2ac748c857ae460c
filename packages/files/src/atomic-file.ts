import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { toFileError } from "./file-error.ts";

/** A file that is written from front to back. */
export class FileSink {
  readonly #handle: FileHandle;
  #position = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#position;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
    this.#position += bytes.length;
  }
}

/**
 * Writes a file so that it appears whole or not at all: into a temporary sibling, flushed, then
 * renamed over `path`. The temporary file is removed if `write` fails.
 * @throws LatentSyncError `disk_full` or `io`; what `write` throws passes if it is no system error.
 */
export async function writeAtomically(
  path: string,
  write: (sink: FileSink) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    {
      await using handle = await open(temporary, "wx");
      await write(new FileSink(handle));
      await handle.sync();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const isSystemError = error instanceof Error && "syscall" in error;
    throw isSystemError ? toFileError(error, path) : error;
  }
}
