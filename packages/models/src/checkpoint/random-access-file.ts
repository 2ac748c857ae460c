import { type FileHandle, open } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { toFileError } from "@ls/files";

/** One read call takes less than 2 GiB. */
const MAXIMUM_READ_BYTES = 1024 * 1024 * 1024;

/** A file that is read at positions. Reads may overlap in time. */
export class RandomAccessFile implements AsyncDisposable {
  readonly path: string;
  /** Size in bytes when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;
  #disposed = false;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** @throws LatentSyncError `not_found` or `io`. */
  static async open(path: string): Promise<RandomAccessFile> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, "r");
      const stats = await handle.stat();
      if (!stats.isFile()) {
        throw new LatentSyncError("not_found", `${path} is not a file.`, {
          hint: "Give the path of the checkpoint file itself.",
        });
      }
      return new RandomAccessFile(path, stats.size, handle);
    } catch (error) {
      await handle?.close();
      throw toFileError(error, path);
    }
  }

  /**
   * Exactly `length` bytes from `position`, in a buffer of their own.
   * @throws LatentSyncError `invalid_model` if the file does not reach that far.
   */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#check(position, length);
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, position);
    return bytes;
  }

  /** As {@link read}, into `bytes`. */
  async readInto(bytes: Uint8Array, position: number): Promise<void> {
    this.#check(position, bytes.length);
    let done = 0;
    while (done < bytes.length) {
      const length = Math.min(bytes.length - done, MAXIMUM_READ_BYTES);
      const { bytesRead } = await this.#handle
        .read(bytes, done, length, position + done)
        .catch((error: unknown) => {
          throw toFileError(error, this.path);
        });
      if (bytesRead === 0) throw this.#tooShort(position, bytes.length);
      done += bytesRead;
    }
  }

  #check(position: number, length: number): void {
    if (this.#disposed) {
      throw new LatentSyncError("disposed", `${this.path} was read after it was closed.`, {
        hint: "Dispose a checkpoint only when nothing reads from it any more.",
      });
    }
    if (!(position >= 0 && length >= 0 && position + length <= this.size)) {
      throw this.#tooShort(position, length);
    }
  }

  #tooShort(position: number, length: number): LatentSyncError {
    return new LatentSyncError(
      "invalid_model",
      `${this.path} is damaged: ${length} bytes were expected at ${position}, but the file has ${this.size}.`,
      { hint: "The file may be cut short; download it again." },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#handle.close();
  }
}
