import { LatentSyncError } from "@ls/core";
import { type Entry, fromRandomAccessReader, RandomAccessReader, type ZipFile } from "yauzl";
import type { RandomAccessFile } from "./random-access-file.ts";

/** Where a stored (uncompressed) entry's header lies, and how long its data is. */
export interface ZipEntry {
  readonly name: string;
  readonly headerPosition: number;
  readonly size: number;
}

const MAXIMUM_ENTRIES = 100_000;
const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;

/** Lets yauzl read through our file, so that one handle serves directory and data. */
class FileReader extends RandomAccessReader {
  readonly #file: RandomAccessFile;

  constructor(file: RandomAccessFile) {
    super();
    this.#file = file;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#file.readInto(buffer.subarray(offset, offset + length), position).then(
      () => callback(null),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}

function damaged(file: RandomAccessFile, reason: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_model", `${file.path} is not a usable zip: ${reason}`, {
    cause,
    hint: "The file may be cut short or damaged; download it again.",
  });
}

function toZipEntry(file: RandomAccessFile, entry: Entry): ZipEntry {
  if (entry.isEncrypted()) throw damaged(file, `its entry ${entry.fileName} is encrypted.`);
  if (entry.compressionMethod !== 0 || entry.compressedSize !== entry.uncompressedSize) {
    throw damaged(file, `its entry ${entry.fileName} is compressed; torch stores entries plainly.`);
  }
  const end = entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.uncompressedSize;
  if (!(end <= file.size)) {
    throw damaged(
      file,
      `its entry ${entry.fileName} of ${entry.uncompressedSize} bytes reaches beyond the end of the file at ${file.size}.`,
    );
  }
  return {
    name: entry.fileName,
    headerPosition: entry.relativeOffsetOfLocalHeader,
    size: entry.uncompressedSize,
  };
}

function openZip(file: RandomAccessFile): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false, strictFileNames: true };
    fromRandomAccessReader(new FileReader(file), file.size, options, (error, zip) => {
      if (error === null) resolve(zip);
      else reject(error);
    });
  });
}

function readEntries(file: RandomAccessFile, zip: ZipFile): Promise<Map<string, ZipEntry>> {
  const entries = new Map<string, ZipEntry>();
  return new Promise((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => resolve(entries));
    zip.on("entry", (entry: Entry) => {
      try {
        if (entries.has(entry.fileName)) throw damaged(file, `it has two ${entry.fileName}.`);
        entries.set(entry.fileName, toZipEntry(file, entry));
        zip.readEntry();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    zip.readEntry();
  });
}

/**
 * The entries of a zip (zip64 too) whose entries are stored and not compressed.
 * @throws LatentSyncError `invalid_model` for anything else.
 */
export async function readZipDirectory(file: RandomAccessFile): Promise<Map<string, ZipEntry>> {
  try {
    const zip = await openZip(file);
    if (zip.entryCount > MAXIMUM_ENTRIES) {
      throw damaged(
        file,
        `it claims ${zip.entryCount} entries; at most ${MAXIMUM_ENTRIES} are read.`,
      );
    }
    return await readEntries(file, zip);
  } catch (error) {
    if (LatentSyncError.is(error)) throw error;
    throw damaged(file, error instanceof Error ? error.message : String(error), error);
  }
}

/**
 * Position of an entry's first byte, which only the header before the data tells.
 * @throws LatentSyncError `invalid_model` if there is no header or the data reaches too far.
 */
export async function findZipData(file: RandomAccessFile, entry: ZipEntry): Promise<number> {
  const header = Buffer.from((await file.read(entry.headerPosition, LOCAL_HEADER_BYTES)).buffer);
  if (header.readUInt32LE(0) !== LOCAL_HEADER_SIGNATURE) {
    throw damaged(file, `there is no header of ${entry.name} at ${entry.headerPosition}.`);
  }
  const position =
    entry.headerPosition + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (position + entry.size > file.size) {
    throw damaged(file, `its entry ${entry.name} reaches beyond the end of the file.`);
  }
  return position;
}
