/** Works a batch off, one job after the other, and keeps their results. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { LipSyncEvent, LipSyncResult } from "@ls/core";
import { type EngineHooks, KeptEngine } from "./batch-engines.ts";
import {
  type BatchJob,
  type BatchResult,
  readBatchJobs,
  readFinished,
  ResultsFile,
} from "./batch-jobs.ts";
import { drawSeed, type InferFlags, runInferJob } from "./infer-job.ts";
import type { LoadedEngine } from "./load.ts";
import type { NoticeEvent } from "./progress.ts";
import { openTrace } from "./run-options.ts";
import { describeError } from "./terminal.ts";

/** A job begins, or was finished by an earlier start. */
export interface JobEvent {
  readonly type: "job";
  readonly line: number;
  /** Place among the jobs, from 1, and how many there are. */
  readonly job: number;
  readonly jobs: number;
  readonly output: string | undefined;
  readonly skipped?: true;
}

/** A job has ended. */
export interface ResultEvent extends BatchResult {
  readonly type: "result";
}

export type BatchEvent = LipSyncEvent | NoticeEvent | JobEvent | ResultEvent;

export interface BatchOptions {
  readonly jobs: string;
  /** Is appended to; says which jobs an earlier start has finished. */
  readonly results: string;
  readonly hooks: EngineHooks & { readonly signal: AbortSignal };
  readonly report: (event: BatchEvent) => void;
}

export interface BatchSummary {
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Runs every job that is not finished; one that fails does not stop the others.
 * @throws LatentSyncError for the two files; the signal's reason on abort: the job that was under way
 *   has then no result.
 */
export async function runBatch(options: BatchOptions): Promise<BatchSummary> {
  const { hooks, report } = options;
  const jobs = await readBatchJobs(options.jobs);
  const finished = await readFinished(options.results);
  await using results = await ResultsFile.open(options.results);
  await using engines = new KeptEngine(hooks, ({ notices }) => {
    for (const message of notices) report({ type: "notice", message });
  });
  const summary = { done: 0, failed: 0, skipped: 0 };
  for (const [index, job] of jobs.entries()) {
    hooks.signal.throwIfAborted();
    const { line, key, content } = job;
    const output = "flags" in content ? resolve(content.flags.out) : undefined;
    const begun = { type: "job", line, job: index + 1, jobs: jobs.length, output } as const;
    if (finished.has(key)) {
      report({ ...begun, skipped: true });
      summary.skipped += 1;
      continue;
    }
    report(begun);
    const result = await runJob(job, engines, options);
    await results.append(result);
    report({ type: "result", ...result });
    summary[result.status === "ok" ? "done" : "failed"] += 1;
  }
  return summary;
}

async function runJob(
  job: BatchJob,
  engines: KeptEngine,
  { hooks: { signal }, report }: BatchOptions,
): Promise<BatchResult> {
  const { line, key, content } = job;
  const output = "flags" in content ? resolve(content.flags.out) : undefined;
  const startMs = performance.now();
  const end = (): Pick<BatchResult, "seconds" | "finishedAt"> => ({
    seconds: Math.round(performance.now() - startMs) / 1000,
    finishedAt: new Date().toISOString(),
  });
  try {
    if ("error" in content) throw content.error;
    const engine = await engines.for(content.flags);
    const { frames, framesWithoutFace } = await makeVideo(engine, job, content.flags, {
      signal,
      report,
    });
    const { size: sizeBytes } = await stat(content.flags.out);
    const made = { frames, framesWithoutFace, sizeBytes };
    return { line, key, status: "ok", output, ...made, ...end() };
  } catch (error) {
    signal.throwIfAborted();
    await engines.reconsider(error);
    const { code, message, hint } = describeError(error);
    const complaint = {
      code: code as NonNullable<BatchResult["code"]>,
      message,
      ...(hint === undefined ? {} : { hint }),
    };
    return { line, key, status: "error", output, ...complaint, ...end() };
  }
}

async function makeVideo(
  engine: LoadedEngine,
  { options: given }: BatchJob,
  flags: InferFlags,
  { signal, report }: { readonly signal: AbortSignal; readonly report: BatchOptions["report"] },
): Promise<LipSyncResult> {
  const seed = drawSeed(flags);
  if (flags.seed === -1) report({ type: "notice", message: `seed ${seed}` });
  using trace = openTrace(flags, { seed, runtime: engine.runtime, model: engine.model.name });
  let result: LipSyncResult | undefined;
  const run = { flags, given, seed, trace: trace?.file, signal };
  for await (const event of runInferJob(engine, run)) {
    report(event);
    if (event.type === "done") result = event.result;
  }
  for (const message of trace?.report() ?? []) report({ type: "notice", message });
  if (result === undefined) throw new Error("The run ended without a result.");
  return result;
}
