/** A worker process that is kept alive: started, and started again whenever it ends. */
import { setTimeout as delay } from "node:timers/promises";
import { LatentSyncError, type LipSyncEvent, type LipSyncResult } from "@ls/core";
import type { JobRecord } from "../jobs/job.ts";
import type { EngineDescription } from "./engine.ts";
import { type RunRequest, unpackError, type WorkerReport } from "./messages.ts";
import type { JobObserver, WorkerState } from "./observer.ts";
import { type ChildExit, WorkerChild } from "./worker-child.ts";
import { crashError, setupError, WorkerRun } from "./worker-run.ts";

export interface WorkerOptions {
  /** For logs and metrics, such as `worker-0`. */
  readonly name: string;
  /** URL of a module that exports an `EngineFactory` as `createEngine`. */
  readonly engineModule: string;
  /** Plain JSON, handed to the factory: model, device, threads … */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** Longest time for the engine's setup. Default 5 minutes. */
  readonly startTimeoutMs?: number;
  /** Longest time of a run without any event; then the process is ended. Default 10 minutes. */
  readonly silenceMs?: number;
  /** How long an aborted run may go on if no step's length is known yet. Default 3000. */
  readonly abortLimitMs?: number;
  /** Wait after a failed setup; doubles up to 60 s. Default 1000. */
  readonly setupBackoffMs?: number;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly onEvent: (event: LipSyncEvent) => void;
  /** For what observers are told. */
  readonly job?: JobRecord;
}

const LONGEST_BACKOFF_MS = 60_000;
const STOP_GRACE_MS = 1000;

export class WorkerProcess implements AsyncDisposable {
  readonly name: string;
  readonly #options: WorkerOptions;
  readonly #observer: JobObserver;
  readonly #stop = new AbortController();
  readonly #alive: Promise<void>;
  #child: WorkerChild | undefined;
  #state: WorkerState = "starting";
  #changed = Promise.withResolvers<void>();
  #setup = Promise.withResolvers<void>();
  #setupFailure: LatentSyncError | undefined;
  #description: EngineDescription | undefined;
  #run: WorkerRun | undefined;
  #job: JobRecord | undefined;
  #lastLines: readonly string[] = [];
  #runs = 0;
  /** Setups that failed, and idle deaths, since the last run. */
  #failures = 0;

  constructor(options: WorkerOptions, observer: JobObserver = {}) {
    this.name = options.name;
    this.#options = options;
    this.#observer = observer;
    this.#alive = this.#keepAlive();
  }

  get state(): WorkerState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Last lines on standard error of the process that died last. */
  get lastLines(): readonly string[] {
    return this.#lastLines;
  }

  /** Of the engine, since it was first set up. */
  get description(): EngineDescription | undefined {
    return this.#description;
  }

  /** Why the last setup failed, until one succeeds. */
  get setupFailure(): LatentSyncError | undefined {
    return this.#setupFailure;
  }

  /**
   * Waits until a run can start; with `orFail` not through failed setups.
   * @throws LatentSyncError `unavailable` after a failed setup, `disposed`, or the signal's reason.
   */
  async ready(options: { readonly signal: AbortSignal; readonly orFail?: boolean }): Promise<void> {
    const { signal, orFail = false } = options;
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {});
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#state === "ready") return;
        if (this.#state === "stopped") throw stoppedError();
        if (orFail && this.#setupFailure !== undefined) throw this.#setupFailure;
        await Promise.race([this.#changed.promise, aborted.promise]);
      }
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Runs one job; call it when ready. After an abort it ends within a denoising step and 0.5 s.
   * @throws LatentSyncError of the engine, `crashed` if the process died, or the signal's reason.
   */
  async run(request: RunRequest, options: RunOptions): Promise<LipSyncResult> {
    options.signal.throwIfAborted();
    const child = this.#child;
    if (child === undefined || this.#state !== "ready") {
      throw new LatentSyncError("unavailable", `${this.name} is ${this.#state}, not ready.`);
    }
    const { silenceMs = 600_000, abortLimitMs = 3000 } = this.#options;
    const id = (this.#runs += 1);
    const { signal, onEvent } = options;
    this.#job = options.job;
    this.#run = new WorkerRun({ child, id, signal, onEvent, silenceMs, abortLimitMs });
    this.#setState("busy");
    child.send({ type: "run", run: id, request });
    try {
      const result = await this.#run.result();
      this.#failures = 0;
      return result;
    } catch (error) {
      // After a failure of the device nothing in the process can be trusted.
      if (LatentSyncError.is(error) && (error.code === "runtime" || error.code === "disposed")) {
        child.kill();
      }
      throw error;
    } finally {
      this.#run = undefined;
      this.#job = undefined;
      if (!child.told && this.#child === child) this.#setState("ready");
    }
  }

  /** Ends the process at once, and for good. */
  kill(): void {
    this.#stop.abort();
    this.#setup.resolve();
    this.#child?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort();
      this.#setup.resolve();
      await this.#child?.stop(STOP_GRACE_MS);
    }
    await this.#alive;
  }

  async #keepAlive(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const runs = this.#runs;
      await this.#live();
      if (this.#stop.signal.aborted) break;
      if (this.#runs > runs) continue;
      this.#failures += 1;
      const { setupBackoffMs = 1000 } = this.#options;
      const wait = Math.min(LONGEST_BACKOFF_MS, setupBackoffMs * 2 ** (this.#failures - 1));
      await delay(wait, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
    this.#setState("stopped");
  }

  /** From the start of a child to its end. */
  async #live(): Promise<void> {
    const { engineModule, engineOptions = {}, startTimeoutMs = 300_000 } = this.#options;
    this.#setup = Promise.withResolvers();
    const child = new WorkerChild({
      onReport: (report) => this.#handle(report),
      onLine: (stream, line) =>
        this.#observer.workerOutput?.({
          worker: this.name,
          stream,
          line,
          jobId: this.#job?.id,
        }),
    });
    this.#child = child;
    this.#setState("starting");
    child.send({ type: "start", engineModule, engineOptions });
    const timer = setTimeout(() => {
      this.#setup.reject(new LatentSyncError("timeout", `It took over ${startTimeoutMs} ms.`));
    }, startTimeoutMs);
    void child.exited.then((exit) => this.#setup.reject(crashError(exit)));
    try {
      await this.#setup.promise;
      this.#setupFailure = undefined;
      if (!this.#stop.signal.aborted) this.#setState("ready");
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#failSetup(child, error);
    } finally {
      clearTimeout(timer);
    }
    this.#bury(child, await child.exited);
  }

  #failSetup(child: WorkerChild, error: unknown): void {
    this.#setupFailure = setupError(error);
    this.#setState("setup_failed");
    this.#observer.trouble?.({ what: `${this.name}: the engine's setup failed`, cause: error });
    child.kill();
  }

  #bury(child: WorkerChild, exit: ChildExit): void {
    const { lastLines } = child;
    this.#lastLines = lastLines;
    if (!child.told) {
      const { name: worker } = this;
      this.#observer.workerCrashed?.({ worker, ...exit, lastLines, job: this.#job });
    }
    this.#child = undefined;
    // Whoever asks between two lives must not take this one for ready.
    if (this.#state !== "setup_failed") this.#setState("starting");
  }

  #handle(report: WorkerReport): void {
    switch (report.type) {
      case "ready":
        this.#description = report.description;
        return this.#setup.resolve();
      case "setup_failed":
        return this.#setup.reject(unpackError(report.error));
      case "memory":
        return this.#observer.workerMemory?.({
          worker: this.name,
          residentBytes: report.residentBytes,
        });
      case "event":
      case "ended":
        return this.#run?.handle(report);
    }
  }

  #setState(state: WorkerState): void {
    this.#state = state;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#observer.workerStateChanged?.({
      worker: this.name,
      state,
      pid: this.pid,
      description: this.#description,
    });
  }
}

function stoppedError(): LatentSyncError {
  return new LatentSyncError("disposed", "The worker was stopped.");
}
