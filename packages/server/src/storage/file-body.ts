/** Streams from and into open files. */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const PART_BYTES = 256 * 1024;

/** Reads an open file from `offset` on, and closes it; opens nothing anew. */
export async function* fileBody(
  handle: FileHandle,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  await using owned = handle;
  let position = offset;
  for (;;) {
    signal?.throwIfAborted();
    const part = Buffer.allocUnsafe(PART_BYTES);
    const { bytesRead } = await owned.read(part, 0, PART_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield part.subarray(0, bytesRead);
  }
}

/** Reads a file that is opened with its first part: a request that is never sent leaves none open. */
export async function* unopenedFile(path: string, start = 0): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { start }) as AsyncIterable<Uint8Array>;
}

/** Writes all bytes at a position, however many calls that takes. */
export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

/** Copies a file into an open one, and waits until the disk has it. */
export async function copyIntoHandle(
  source: string,
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<void> {
  const parts: AsyncIterable<Uint8Array> = createReadStream(source, {
    highWaterMark: PART_BYTES,
  });
  let position = 0;
  for await (const part of parts) {
    signal?.throwIfAborted();
    await writeAll(handle, part, position);
    position += part.length;
  }
  await handle.sync();
}

/** Makes a rename last through a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
