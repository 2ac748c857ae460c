/**
 * The audit log: who did what to which job, with which model. Append-only lines of JSON; each holds
 * the hash of the one before, so that a line that was changed, taken out or put in shows. Cutting
 * off the newest lines shows only to who knows the last hash.
 *
 * An entry is on the disk (fdatasync) when `append` resolves; entries that come together share a
 * sync. One process writes to a folder.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { LatentSyncError } from "@ls/core";
import type { AuditRecord } from "../http/services.ts";

/** What happened. A record of the HTTP side is one, and so is the end of a job. */
export interface AuditFact {
  /** ISO 8601 in UTC. Default: now. */
  readonly at?: string;
  readonly action: AuditRecord["action"] | "job.finish";
  /** Id of the API key or identity; `anonymous` where none is needed. */
  readonly owner: string;
  readonly outcome: AuditRecord["outcome"] | "failed";
  /** Error code of a refusal or failure. */
  readonly code?: string;
  readonly jobId?: string;
  readonly uploadId?: string;
  readonly remoteAddress?: string;
  /** The model that ran: its name, and one sha256 over its files' hashes. */
  readonly model?: { readonly name: string; readonly sha256: string };
}

export interface AuditEntry extends AuditFact {
  /** From 1, without gaps. */
  readonly sequence: number;
  readonly at: string;
  /** `hash` of the entry before; of the first: 64 zeros. */
  readonly previous: string;
  /** sha256, in hex, of this entry's line without `hash`. */
  readonly hash: string;
}

export interface AuditLog extends AsyncDisposable {
  append(fact: AuditFact): Promise<void>;
}

const NEWEST = "audit.jsonl";
const ROTATED = /^audit-\d{12}\.jsonl$/;
const FIRST_PREVIOUS = "0".repeat(64);

/**
 * Opens the log of a folder, `audit.jsonl`, and goes on where it ended; a line that a crash cut
 * short is removed. A file that has grown to `maxBytes` (default 64 MiB) is renamed to
 * `audit-<first sequence>.jsonl`; none is ever deleted.
 * @throws LatentSyncError `io` if an existing log does not end in a valid entry.
 */
export async function openAuditLog(options: {
  readonly folder: string;
  readonly maxBytes?: number;
}): Promise<AuditLog> {
  await mkdir(options.folder, { recursive: true });
  const path = join(options.folder, NEWEST);
  const last = await lastEntry(options.folder);
  return new FileAuditLog(path, options.maxBytes ?? 2 ** 26, last, await openWhole(path));
}

interface WaitingFact {
  readonly fact: AuditFact & { readonly at: string };
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

class FileAuditLog implements AuditLog {
  readonly #path: string;
  readonly #maxBytes: number;
  #file: FileHandle;
  /** The last entry that is on the disk. */
  #last: Pick<AuditEntry, "sequence" | "hash">;
  #waiting: WaitingFact[] = [];
  #writing: Promise<void> | undefined;

  constructor(path: string, maxBytes: number, last: AuditEntry | undefined, file: FileHandle) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#file = file;
    this.#last = last ?? { sequence: 0, hash: FIRST_PREVIOUS };
  }

  append(fact: AuditFact): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const at = fact.at ?? new Date().toISOString();
    this.#waiting.push({ fact: { ...fact, at }, resolve, reject });
    this.#writing ??= this.#writeAll();
    return promise;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #write(batch: readonly WaitingFact[]): Promise<void> {
    const sizeBytes = await this.#roomyFile();
    const entries: AuditEntry[] = [];
    for (const { fact } of batch) {
      const { sequence, hash: previous } = entries.at(-1) ?? this.#last;
      entries.push(sealed({ sequence: sequence + 1, ...fact, previous }));
    }
    try {
      await this.#file.appendFile(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
      await this.#file.datasync();
    } catch (error) {
      // Otherwise the next entries would follow ones that nobody was promised.
      await this.#file.truncate(sizeBytes);
      throw error;
    }
    this.#last = entries.at(-1) ?? this.#last;
  }

  /** Starts a new file if this one is full; resolves to the size of the file that is written to. */
  async #roomyFile(): Promise<number> {
    const { size } = await this.#file.stat();
    if (size < this.#maxBytes) return size;
    const first = JSON.parse(await firstLine(this.#path)) as AuditEntry;
    const number = String(first.sequence).padStart(12, "0");
    const rotated = join(dirname(this.#path), `audit-${number}.jsonl`);
    await rename(this.#path, rotated);
    const full = this.#file;
    try {
      this.#file = await open(this.#path, "a");
    } catch (error) {
      // The full file stays the newest, for the next entry to try again.
      await rename(rotated, this.#path);
      throw error;
    }
    await full.close();
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }
}

/** Entries of a folder's log, oldest first. */
export async function* readAudit(options: {
  readonly folder: string;
  readonly jobId?: string;
  readonly owner?: string;
  /** ISO 8601; entries from then on. */
  readonly since?: string;
}): AsyncGenerator<AuditEntry> {
  const sinceMs = options.since === undefined ? -Infinity : Date.parse(options.since);
  if (Number.isNaN(sinceMs)) {
    throw new LatentSyncError("invalid_argument", `since is "${options.since}", not a time.`, {
      hint: "Write it as 2026-01-31T12:00:00Z.",
    });
  }
  for (const path of await auditFiles(options.folder)) {
    for await (const line of lines(path)) {
      const entry = JSON.parse(line) as AuditEntry;
      if (options.jobId !== undefined && entry.jobId !== options.jobId) continue;
      if (options.owner !== undefined && entry.owner !== options.owner) continue;
      if (Date.parse(entry.at) >= sinceMs) yield entry;
    }
  }
}

/** Whether every entry is as it was written and follows the one before. */
export async function verifyAudit(options: { readonly folder: string }): Promise<{
  readonly entries: number;
  /** Hash of the last good entry: kept elsewhere, it also shows whether the end was cut off. */
  readonly lastHash: string;
  /** Where the chain breaks first. */
  readonly broken?: { readonly file: string; readonly line: number };
}> {
  let entries = 0;
  let lastHash = FIRST_PREVIOUS;
  for (const file of await auditFiles(options.folder)) {
    let lineNumber = 0;
    for await (const line of lines(file)) {
      lineNumber += 1;
      const entry = parsed(line);
      const follows = entry?.previous === lastHash && entry.sequence === entries + 1;
      if (!entry || !follows || JSON.stringify(sealed(entry)) !== line) {
        return { entries, lastHash, broken: { file, line: lineNumber } };
      }
      entries += 1;
      lastHash = entry.hash;
    }
  }
  return { entries, lastHash };
}

/** The entry with its hash, which comes last in the line. */
function sealed(entry: Omit<AuditEntry, "hash"> & { readonly hash?: string }): AuditEntry {
  const { hash: _, ...content } = entry;
  return { ...content, hash: createHash("sha256").update(JSON.stringify(content)).digest("hex") };
}

function parsed(line: string): AuditEntry | undefined {
  try {
    return JSON.parse(line) as AuditEntry;
  } catch {
    return undefined;
  }
}

async function auditFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const rotated = names.filter((name) => ROTATED.test(name)).sort();
  return [...rotated, ...names.filter((name) => name === NEWEST)].map((name) => join(folder, name));
}

async function* lines(path: string): AsyncGenerator<string> {
  const input = createReadStream(path);
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line !== "") yield line;
  }
}

async function firstLine(path: string): Promise<string> {
  for await (const line of lines(path)) return line;
  throw new LatentSyncError("io", `The audit log ${path} is empty.`);
}

/** The file for appending, its end cut back to the last whole line. */
async function openWhole(path: string): Promise<FileHandle> {
  const file = await open(path, "a+");
  const { size } = await file.stat();
  const tail = Buffer.alloc(Math.min(size, 2 ** 16));
  await file.read(tail, 0, tail.length, size - tail.length);
  const wholeBytes = size - tail.length + tail.lastIndexOf(0x0a) + 1;
  if (wholeBytes < size) await file.truncate(wholeBytes);
  return file;
}

async function lastEntry(folder: string): Promise<AuditEntry | undefined> {
  for (const path of (await auditFiles(folder)).toReversed()) {
    const file = await openWhole(path);
    await file.close();
    let last: string | undefined;
    for await (const line of lines(path)) last = line;
    if (last === undefined) continue;
    const entry = parsed(last);
    if (entry === undefined || sealed(entry).hash !== entry.hash) {
      throw new LatentSyncError("io", `The last entry of the audit log ${path} is damaged.`, {
        hint: "Keep the folder as evidence, move its audit files elsewhere, and start again.",
      });
    }
    return entry;
  }
  return undefined;
}
