/** Where a container says that it ends: a file that stops before is a broken download or copy. */
import type { FileHandle } from "node:fs/promises";

/** Boxes that are followed; fragmented files may have many more than matter here. */
const MAX_BOXES = 50_000;
const MATROSKA_SEGMENT = 0x18_53_80_67;

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** ISO media: the end of the last top-level box. */
async function endOfBoxes(file: FileHandle, fileBytes: number): Promise<number | undefined> {
  let position = 0;
  for (let box = 0; box < MAX_BOXES && position < fileBytes; box++) {
    const head = await readAt(file, position, 16);
    // Padding or foreign bytes behind the last box are no matter.
    if (head.length < 8 || !/^[\x20-\x7e\xa9]{4}$/.test(head.toString("latin1", 4, 8))) return;
    let size = head.readUInt32BE(0);
    if (size === 0) return undefined;
    if (size === 1 && head.length === 16) size = Number(head.readBigUInt64BE(8));
    if (size < 8) return undefined;
    position += size;
  }
  return position;
}

/** A variable-length number of EBML; undefined if it stands for "unknown". */
function readSize(bytes: Buffer, at: number): { value: number; length: number } | undefined {
  const first = bytes[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (length > 8 || at + length > bytes.length) return undefined;
  let value = first & (0xff >> length);
  let allOnes = value === 0xff >> length;
  for (let next = 1; next < length; next++) {
    const byte = bytes[at + next] ?? 0;
    allOnes &&= byte === 0xff;
    value = value * 256 + byte;
  }
  return allOnes ? undefined : { value, length };
}

/** Matroska: the end of the segment. */
async function endOfSegment(file: FileHandle): Promise<number | undefined> {
  const head = await readAt(file, 0, 4096);
  const header = readSize(head, 4);
  if (!header) return undefined;
  const segment = 4 + header.length + header.value;
  if (segment + 12 > head.length || head.readUInt32BE(segment) !== MATROSKA_SEGMENT) return;
  const size = readSize(head, segment + 4);
  return size && segment + 4 + size.length + size.value;
}

/** RIFF: the end of the first chunk. */
async function endOfRiff(file: FileHandle): Promise<number | undefined> {
  const head = await readAt(file, 0, 8);
  if (head.length < 8 || head.toString("latin1", 0, 4) !== "RIFF") return undefined;
  const size = head.readUInt32LE(4);
  return size === 0 || size === 0xff_ff_ff_ff ? undefined : size + 8;
}

/**
 * The length in bytes that a container promises, or undefined if it promises none.
 * @param formatNames FFmpeg's names of the container.
 */
export async function promisedBytes(
  file: FileHandle,
  fileBytes: number,
  formatNames: readonly string[],
): Promise<number | undefined> {
  if (formatNames.includes("mp4")) return await endOfBoxes(file, fileBytes);
  if (formatNames.includes("matroska")) return await endOfSegment(file);
  if (formatNames.includes("avi")) return await endOfRiff(file);
  return undefined;
}
