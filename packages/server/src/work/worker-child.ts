/** One life of a worker process, from its start to its end. */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { WorkerCommand, WorkerReport } from "./messages.ts";

const LAST_LINES = 20;
const OUTPUT_GRACE_MS = 500;
const LONGEST_LINE = 2000;

export interface ChildExit {
  readonly exitCode: number | null;
  readonly exitSignal: string | null;
}

export interface WorkerChildOptions {
  readonly onReport: (report: WorkerReport) => void;
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
}

function entryUrl(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./engine.worker.ts" : "./engine.worker.js";
  return new URL(name, import.meta.url);
}

export class WorkerChild {
  /** Resolves when the process has ended, for whatever reason, and all its output is read. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #lastLines: string[] = [];
  /** It was told to end; its end is no crash. */
  #told = false;

  constructor(options: WorkerChildOptions) {
    // Flags of this process, such as --inspect or --input-type, are not for the worker.
    const child = fork(entryUrl(), [String(process.pid)], {
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#process = child;
    const { promise, resolve } = Promise.withResolvers<ChildExit>();
    this.exited = promise;
    child.once("close", (exitCode, exitSignal) => resolve({ exitCode, exitSignal }));
    // A process of its own making may keep the pipes open.
    child.once("exit", (exitCode, exitSignal) => {
      setTimeout(() => resolve({ exitCode, exitSignal }), OUTPUT_GRACE_MS);
    });
    // A process that could not be started has no `close`.
    child.once("error", (error) => {
      this.#keep(error.message);
      if (child.pid === undefined) resolve({ exitCode: null, exitSignal: null });
    });
    child.on("message", (report) => options.onReport(report as WorkerReport));
    for (const name of ["stdout", "stderr"] as const) {
      if (child[name] !== null) this.#read(child[name], name, options.onLine);
    }
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get told(): boolean {
    return this.#told;
  }

  /** Last lines of standard error. */
  get lastLines(): readonly string[] {
    return this.#lastLines;
  }

  send(command: WorkerCommand): void {
    // One that is dying cannot be told anything; `exited` tells of its end.
    if (this.#process.connected) this.#process.send(command, () => {});
  }

  kill(): void {
    this.#told = true;
    this.#process.kill("SIGKILL");
  }

  /** Asks it to end, and ends it if it does not within `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#told = true;
    this.send({ type: "stop" });
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  #read(stream: Readable, name: "stdout" | "stderr", onLine: WorkerChildOptions["onLine"]): void {
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (whole) => {
      const line = whole.slice(0, LONGEST_LINE);
      if (line.trim() === "") return;
      if (name === "stderr") this.#keep(line);
      onLine(name, line);
    });
  }

  #keep(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
  }
}
