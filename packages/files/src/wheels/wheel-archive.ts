/** Reads the files of a wheel, each checked against the wheel's own record. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LatentSyncError } from "@ls/core";
import { type Entry, open, type ZipFile } from "yauzl";
import { systemCode, toFileError } from "../file-error.ts";

/** What the record says of a file. */
interface RecordedFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface UnpackedFile {
  /** Where it was put, relative to the folder, with forward slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export interface UnpackOptions {
  readonly folder: string;
  /** Where a file of the wheel goes in `folder`; undefined leaves it out. */
  readonly place: (path: string) => string | undefined;
  readonly onFile?: (path: string, sizeBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

const MAXIMUM_ENTRIES = 100_000;
const MAXIMUM_RECORD_BYTES = 64 * 1024 * 1024;

function damaged(path: string, reason: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `${path} is not a sound wheel: ${reason}`, {
    cause,
    hint: "It may be cut short or damaged; download it again.",
  });
}

function openZip(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    // yauzl refuses absolute paths, `..` and backslashes in names, and data of another length than
    // the directory says.
    const options = { lazyEntries: true, autoClose: false, strictFileNames: true };
    open(path, options, (error, zip) => {
      if (error === null) resolve(zip);
      else reject(error);
    });
  });
}

function readEntries(zip: ZipFile): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  return new Promise((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => resolve(entries));
    zip.on("entry", (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.readEntry();
  });
}

function openEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error === null) resolve(stream);
      else reject(error);
    });
  });
}

/** The fields of a line of comma-separated values. */
function splitLine(line: string): readonly string[] {
  const fields = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "");
}

function parseRecord(text: string): ReadonlyMap<string, RecordedFile> {
  const files = new Map<string, RecordedFile>();
  for (const line of text.split(/\r?\n/)) {
    const [path = "", hash = "", size = ""] = splitLine(line);
    const digest = /^sha256=([\w-]{43})=?$/.exec(hash)?.[1];
    if (digest === undefined || !/^\d+$/.test(size)) continue;
    const sha256 = Buffer.from(digest, "base64url").toString("hex");
    files.set(path, { sha256, sizeBytes: Number(size) });
  }
  return files;
}

/** A wheel that is open. */
class WheelArchive implements Disposable {
  readonly #path: string;
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #record: ReadonlyMap<string, RecordedFile>;

  private constructor(
    path: string,
    zip: ZipFile,
    entries: ReadonlyMap<string, Entry>,
    record: ReadonlyMap<string, RecordedFile>,
  ) {
    this.#path = path;
    this.#zip = zip;
    this.#entries = entries;
    this.#record = record;
  }

  static async open(path: string): Promise<WheelArchive> {
    const zip = await openZip(path);
    try {
      if (zip.entryCount > MAXIMUM_ENTRIES) {
        throw damaged(path, `it claims ${zip.entryCount} files.`);
      }
      const entries = new Map<string, Entry>();
      for (const entry of await readEntries(zip)) {
        if (entries.has(entry.fileName)) throw damaged(path, `it has two ${entry.fileName}.`);
        entries.set(entry.fileName, entry);
      }
      const recordName = [...entries.keys()].find((name) =>
        /^[^/]+\.dist-info\/RECORD$/.test(name),
      );
      const recordEntry = entries.get(recordName ?? "");
      if (recordEntry === undefined) throw damaged(path, "it has no RECORD.");
      if (recordEntry.uncompressedSize > MAXIMUM_RECORD_BYTES) {
        throw damaged(path, `its RECORD claims ${recordEntry.uncompressedSize} bytes.`);
      }
      const chunks = await (await openEntry(zip, recordEntry)).toArray();
      const record = parseRecord(Buffer.concat(chunks as Buffer[]).toString("utf8"));
      return new WheelArchive(path, zip, entries, record);
    } catch (error) {
      zip.close();
      throw error;
    }
  }

  /** The files that are wanted, with where they go; each agrees with the record in size. */
  select(
    place: UnpackOptions["place"],
  ): readonly { readonly entry: Entry; readonly to: string; readonly recorded: RecordedFile }[] {
    const taken = new Set<string>();
    return [...this.#entries.values()].flatMap((entry) => {
      const name = entry.fileName;
      if (name.endsWith("/")) return [];
      const to = place(name);
      if (to === undefined) return [];
      const recorded = this.#record.get(name);
      if (recorded === undefined) throw damaged(this.#path, `its RECORD does not name ${name}.`);
      if (recorded.sizeBytes !== entry.uncompressedSize) {
        throw damaged(
          this.#path,
          `${name} has ${entry.uncompressedSize} bytes, but its RECORD says ${recorded.sizeBytes}.`,
        );
      }
      if (taken.has(to)) throw damaged(this.#path, `two of its files are called ${basename(to)}.`);
      taken.add(to);
      return [{ entry, to, recorded }];
    });
  }

  async unpack(
    entry: Entry,
    target: string,
    recorded: RecordedFile,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const hash = createHash("sha256");
    await mkdir(dirname(target), { recursive: true });
    await pipeline(
      await openEntry(this.#zip, entry),
      async function* (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(target, { flags: "wx" }),
      signal === undefined ? {} : { signal },
    );
    if (hash.digest("hex") === recorded.sha256) return;
    throw damaged(this.#path, `${entry.fileName} has not the hash that its RECORD says.`);
  }

  [Symbol.dispose](): void {
    this.#zip.close();
  }
}

/** Refuses before anything is written if the disk cannot hold so much. */
async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new LatentSyncError(
    "disk_full",
    `The disk of ${folder} has ${bavail * bsize} bytes free, but ${bytes} are needed.`,
    { hint: "Free some space, or set LATENTSYNC_HOME to a folder on another disk." },
  );
}

/**
 * Unpacks files of a wheel, each verified by size and SHA-256 with the wheel's RECORD.
 * @returns what was unpacked; the caller removes the folder if this fails.
 * @throws LatentSyncError `invalid_argument` for a wheel that is damaged or lies about itself,
 *   `not_found`, `disk_full` or `io`; the signal's reason on abort.
 */
export async function unpackWheel(
  wheelPath: string,
  { folder, place, onFile, signal }: UnpackOptions,
): Promise<readonly UnpackedFile[]> {
  try {
    using archive = await WheelArchive.open(wheelPath);
    const selected = archive.select(place);
    const bytes = selected.reduce((sum, { recorded }) => sum + recorded.sizeBytes, 0);
    await requireSpace(folder, bytes);
    const unpacked: UnpackedFile[] = [];
    for (const { entry, to, recorded } of selected) {
      signal?.throwIfAborted();
      onFile?.(to, recorded.sizeBytes);
      await archive.unpack(entry, join(folder, ...to.split("/")), recorded, signal);
      unpacked.push({ path: to, ...recorded });
    }
    return unpacked;
  } catch (error) {
    signal?.throwIfAborted();
    if (LatentSyncError.is(error)) throw error;
    if (error instanceof Error && "syscall" in error && systemCode(error) !== undefined) {
      throw toFileError(error, wheelPath);
    }
    throw damaged(wheelPath, error instanceof Error ? error.message : String(error), error);
  }
}
