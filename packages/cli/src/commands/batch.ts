import { extname, resolve } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { Command } from "commander";
import { type BatchEvent, type BatchSummary, runBatch } from "../batch-run.ts";
import type { CommandContext } from "../command-context.ts";
import { debugOption, jsonOption } from "../options.ts";
import { createProgress, type ProgressReporter } from "../progress.ts";
import { formatDuration, type Terminal } from "../terminal.ts";

interface BatchFlags {
  readonly results?: string;
  readonly json?: boolean;
}

export function addBatchCommand(program: Command, context: CommandContext): void {
  program
    .command("batch")
    .description("lip-sync many videos, one job per line of a file")
    .argument("<jobs>", "file with a JSON object per line: the options of `infer` by long names")
    .option("--results <file>", "where results are appended (default: JOBS.results.jsonl)")
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((jobs: string, flags: BatchFlags) => batch(jobs, flags, context));
}

const EXAMPLES = `
A line of the file, with paths from the folder that the program is started in:
  {"video": "a.mp4", "audio": "a.wav", "out": "a-synced.mp4", "inference-steps": 10, "resume": true}

A job that fails does not stop the others. Started again, the batch leaves out what is finished: jobs
whose options stand in the results file as done, and whose output still has the size that it had.
Ctrl-C stops the job under way; with "resume" it goes on from its last segment next time.

Examples:
  latentsync-ts batch jobs.jsonl
  latentsync-ts batch jobs.jsonl --results night.jsonl --json
`;

async function batch(jobs: string, flags: BatchFlags, context: CommandContext): Promise<void> {
  const { terminal, signal } = context;
  const results = flags.results ?? defaultResults(jobs);
  if (resolve(results) === resolve(jobs)) {
    throw new LatentSyncError("invalid_argument", `${jobs} cannot hold jobs and results.`, {
      hint: "Give another file with --results.",
    });
  }
  const json = flags.json ?? false;
  using display = new BatchDisplay(terminal, json, signal);
  const summary = await runBatch({
    jobs,
    results,
    report: (event) => display.report(event),
    hooks: {
      onGraphProgress: (network, bytesDone, bytesTotal) =>
        display.progress.report({ type: "graph", network, bytesDone, bytesTotal }),
      onNotice: (message) => display.report({ type: "notice", message }),
      signal,
    },
  });
  display.end(summary, results);
  if (summary.failed === 0) return;
  const total = summary.done + summary.failed + summary.skipped;
  throw new LatentSyncError("unmet", `${summary.failed} of ${total} jobs failed.`, {
    hint: `${results} says why; the next start tries them again.`,
  });
}

function defaultResults(jobs: string): string {
  const extension = extname(jobs);
  return `${extension === "" ? jobs : jobs.slice(0, -extension.length)}.results.jsonl`;
}

/** The progress of one job after the other, with a line before and after each. */
class BatchDisplay implements Disposable {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #signal: AbortSignal;
  #progress: ProgressReporter | undefined;

  constructor(terminal: Terminal, json: boolean, signal: AbortSignal) {
    this.#terminal = terminal;
    this.#json = json;
    this.#signal = signal;
  }

  get progress(): ProgressReporter {
    this.#progress ??= createProgress({
      terminal: this.#terminal,
      json: this.#json,
      signal: this.#signal,
    });
    return this.#progress;
  }

  report(event: BatchEvent): void {
    if (event.type !== "job" && event.type !== "result") {
      this.progress.report(event);
      return;
    }
    if (this.#json) {
      this.#terminal.stdout.write(`${JSON.stringify(event)}\n`);
      return;
    }
    this[Symbol.dispose]();
    const { stdout, stderr } = this.#terminal;
    if (event.type === "result") {
      const { line, seconds, frames, message } = event;
      if (event.status === "ok") stdout.write(`${event.output}\n`);
      stderr.write(
        event.status === "ok"
          ? `${frames} frames in ${formatDuration(seconds)}\n`
          : `Line ${line} failed: ${message}\n`,
      );
      return;
    }
    const { job, jobs, line, output = "cannot be read", skipped } = event;
    const note = skipped === true ? " (finished before)" : "";
    stderr.write(`[${job}/${jobs}] line ${line}: ${output}${note}\n`);
  }

  end({ done, failed, skipped }: BatchSummary, results: string): void {
    this[Symbol.dispose]();
    if (this.#json) return;
    this.#terminal.stderr.write(
      `${done} done, ${failed} failed, ${skipped} finished before; results in ${results}\n`,
    );
  }

  [Symbol.dispose](): void {
    this.#progress?.[Symbol.dispose]();
    this.#progress = undefined;
  }
}
