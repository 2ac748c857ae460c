/** The lines of a batch, and which of them an earlier start has finished. */
import { createHash } from "node:crypto";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { toFileError } from "@ls/files";
import { parseInferOptions } from "./infer-arguments.ts";
import type { InferFlags } from "./infer-job.ts";
import type { OptionRecord } from "./option-record.ts";

/** A line of the jobs file. */
export interface BatchJob {
  /** From 1, as editors count. */
  readonly line: number;
  /** Of the options, whatever their order: what a result is found by. */
  readonly key: string;
  /** As the line has them. */
  readonly options: OptionRecord;
  /** What is to be done, or why the line cannot be. */
  readonly content: { readonly flags: InferFlags } | { readonly error: unknown };
}

/** A line of the results file. */
export interface BatchResult {
  readonly line: number;
  readonly key: string;
  readonly status: "ok" | "error";
  readonly output: string | undefined;
  /** Time of the job, without loading the model. */
  readonly seconds: number;
  readonly frames?: number;
  readonly framesWithoutFace?: number;
  /** Length of the output's file: if it has another one at the next start, the job is done again. */
  readonly sizeBytes?: number;
  readonly code?: LatentSyncErrorCode | "internal";
  readonly message?: string;
  readonly hint?: string;
  readonly finishedAt: string;
}

/** No jobs file is so long; a device that never ends is not one. */
const MAX_BYTES = 64 << 20;

/**
 * Reads a jobs file: a JSON object per line with options of `infer` by their long names. What is wrong
 * with a line is kept for its result; empty lines do not count.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_argument` if there is no line at all.
 */
export async function readBatchJobs(path: string): Promise<readonly BatchJob[]> {
  const text = await readText(path);
  const outputs = new Map<string, number>();
  const jobs = text.split("\n").flatMap((content, index): BatchJob[] => {
    if (content.trim() === "") return [];
    return [readJob(content.replace(/^\u{feff}/u, ""), index + 1, outputs)];
  });
  if (jobs.length > 0) return jobs;
  throw new LatentSyncError("invalid_argument", `${path} holds no job.`, {
    hint: 'Write one JSON object per line, such as {"video":"a.mp4","audio":"a.wav","out":"b.mp4"}.',
  });
}

async function readText(path: string): Promise<string> {
  try {
    const status = await stat(path);
    if (status.isFile() && status.size <= MAX_BYTES) return await readFile(path, "utf8");
  } catch (error) {
    throw toFileError(error, path);
  }
  throw new LatentSyncError("invalid_argument", `${path} is not a file of jobs.`, {
    hint: "Give a regular file with one JSON object per line.",
  });
}

function readJob(text: string, line: number, outputs: Map<string, number>): BatchJob {
  let options: OptionRecord = {};
  try {
    options = parseLine(text);
    const flags = parseInferOptions(options);
    const output = resolve(flags.out);
    const earlier = outputs.get(output);
    if (earlier !== undefined) {
      throw new LatentSyncError(
        "conflict",
        `Line ${line} writes ${flags.out}, which line ${earlier} writes as well.`,
        { hint: "Give every job an output of its own." },
      );
    }
    outputs.set(output, line);
    return { line, key: keyOf(options), options, content: { flags } };
  } catch (error) {
    return { line, key: keyOf(options), options, content: { error } };
  }
}

function parseLine(text: string): OptionRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw noObject(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw noObject("it is another kind of value");
  }
  const entries = Object.entries(value).map(
    ([name, content]) => [name.replaceAll("_", "-"), content as unknown] as const,
  );
  return Object.fromEntries(entries);
}

function noObject(reason: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `The line is no JSON object: ${reason}.`, {
    cause,
    hint: 'Write one JSON object per line, such as {"video":"a.mp4","audio":"a.wav","out":"b.mp4"}.',
  });
}

function keyOf(options: OptionRecord): string {
  const entries = Object.entries(options).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(entries)).digest("hex").slice(0, 32);
}

/**
 * The keys of jobs that are finished: the results file says so, and the output is there with the
 * length that it had. Lines that are torn or foreign say nothing.
 */
export async function readFinished(path: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path, "utf8").catch(() => "");
  const lengths = new Map<string, { readonly output: string; readonly sizeBytes: number }>();
  for (const line of text.split("\n")) {
    const result = parseResult(line);
    if (result === undefined) continue;
    const { key, status, output, sizeBytes } = result;
    if (status === "ok" && output !== undefined && sizeBytes !== undefined) {
      lengths.set(key, { output, sizeBytes });
    } else lengths.delete(key);
  }
  const finished = new Set<string>();
  for (const [key, { output, sizeBytes }] of lengths) {
    const status = await stat(output).catch(() => undefined);
    if (status?.isFile() === true && status.size === sizeBytes) finished.add(key);
  }
  return finished;
}

function parseResult(line: string): (Partial<BatchResult> & Pick<BatchResult, "key">) | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("key" in value)) return undefined;
    return typeof value.key === "string"
      ? (value as Partial<BatchResult> & Pick<BatchResult, "key">)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Where results are appended, one JSON object per line, each on the disk before the next job. */
export class ResultsFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** @throws LatentSyncError `not_found`, `disk_full` or `io`. */
  static async open(path: string): Promise<ResultsFile> {
    try {
      const file = await open(path, "a+");
      const results = new ResultsFile(path, file);
      const { size } = await file.stat();
      // A line that was torn must not swallow the next one.
      const last = Buffer.alloc(1);
      if (size > 0) await file.read(last, 0, 1, size - 1);
      if (size > 0 && last.toString() !== "\n") await file.appendFile("\n");
      return results;
    } catch (error) {
      throw toFileError(error, path);
    }
  }

  async append(result: BatchResult): Promise<void> {
    try {
      await this.#file.appendFile(`${JSON.stringify(result)}\n`);
      await this.#file.sync();
    } catch (error) {
      throw toFileError(error, this.#path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
