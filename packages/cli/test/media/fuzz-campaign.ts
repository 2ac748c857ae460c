/** Runs mutants in processes of their own, and counts what came of them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { FuzzLine } from "./fuzz.worker.ts";

export interface FuzzOptions {
  readonly seedFolder: string;
  readonly workFolder: string;
  /** Another campaign, other damage. */
  readonly campaign: number;
  readonly files: number;
  readonly filesPerProcess: number;
  /** A file that takes longer counts as a hang, and its process is killed. */
  readonly limitSeconds: number;
  /** A process that holds more is killed. */
  readonly limitMib: number;
}

export interface FuzzReport {
  readonly files: number;
  /** How often each outcome came, as video and as speech. */
  readonly video: Readonly<Record<string, number>>;
  readonly speech: Readonly<Record<string, number>>;
  /** Crashes, hangs, too much memory, and errors without a type; with what makes them again. */
  readonly failures: readonly string[];
  readonly longestSeconds: number;
  readonly peakMib: number;
}

const POLL_MS = 250;
const WORKER = fileURLToPath(new URL("./fuzz.worker.ts", import.meta.url));

export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const tally = new Tally();
  for (let next = 0; next < options.files;) {
    const last = Math.min(options.files, next + options.filesPerProcess);
    next = await runProcess(options, next, last, tally);
  }
  return tally.report();
}

/** @returns the mutant to go on with: the one behind a crash, or the end. */
async function runProcess(
  options: FuzzOptions,
  first: number,
  last: number,
  tally: Tally,
): Promise<number> {
  const { seedFolder, workFolder, campaign } = options;
  const numbers = [campaign, first, last - first].map(String);
  const child = spawn(process.execPath, [WORKER, seedFolder, workFolder, ...numbers], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let current: FuzzLine | undefined;
  let startMs = performance.now();
  let verdict: string | undefined;
  const watch = setInterval(() => {
    void overrun(child, options, startMs).then((problem) => {
      if (problem === undefined || current === undefined) return;
      verdict ??= problem;
      child.kill("SIGKILL");
    });
  }, POLL_MS);
  const closed = once(child, "close");
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as FuzzLine;
    if (line.video === undefined) {
      current = line;
      startMs = performance.now();
      continue;
    }
    tally.count(line);
    current = undefined;
  }
  const [code, signal] = (await closed) as [number | null, string | null];
  clearInterval(watch);
  if (current !== undefined) {
    tally.fail(current, verdict ?? `the process ended (exit code ${code}, ${signal})`);
    return current.index + 1;
  }
  if (code !== 0)
    throw new Error(`The worker ended with ${code}, ${signal} before mutant ${first}.`);
  return last;
}

/** What is too much of a process, if anything; memory where Linux tells it. */
async function overrun(
  child: ChildProcess,
  { limitSeconds, limitMib }: FuzzOptions,
  startMs: number,
): Promise<string | undefined> {
  const seconds = (performance.now() - startMs) / 1000;
  if (seconds > limitSeconds) return `it hung for ${limitSeconds} s`;
  const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
  const mib = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  return mib > limitMib ? `it held ${Math.round(mib)} MiB` : undefined;
}

class Tally {
  readonly #video: Record<string, number> = {};
  readonly #speech: Record<string, number> = {};
  readonly #failures: string[] = [];
  #files = 0;
  #longestSeconds = 0;
  #peakMib = 0;

  count(line: FuzzLine): void {
    const { video = "", speech = "", seconds = 0, peakMib = 0 } = line;
    this.#files += 1;
    this.#longestSeconds = Math.max(this.#longestSeconds, seconds);
    this.#peakMib = Math.max(this.#peakMib, peakMib);
    for (const [counts, outcome] of [
      [this.#video, video],
      [this.#speech, speech],
    ] as const) {
      const key = outcome.startsWith("not typed") ? "not typed" : outcome;
      counts[key] = (counts[key] ?? 0) + 1;
      if (key === "not typed") this.#failures.push(describe(line, outcome));
    }
  }

  fail(line: FuzzLine, problem: string): void {
    this.#files += 1;
    this.#failures.push(describe(line, problem));
  }

  report(): FuzzReport {
    return {
      files: this.#files,
      video: this.#video,
      speech: this.#speech,
      failures: this.#failures,
      longestSeconds: this.#longestSeconds,
      peakMib: this.#peakMib,
    };
  }
}

function describe({ index, name, mutations }: FuzzLine, problem: string): string {
  return `mutant ${index} of ${name} (${mutations.join(", ")}): ${problem}`;
}
