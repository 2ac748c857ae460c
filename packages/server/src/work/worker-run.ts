/** One run in a worker process, seen from the server: its events, its end, and ending it. */
import { LatentSyncError, type LipSyncEvent, type LipSyncResult, type StepEvent } from "@ls/core";
import { messageOf, unpackError, type WorkerReport } from "./messages.ts";
import type { ChildExit, WorkerChild } from "./worker-child.ts";

/**
 * What a run has left after its denoising step is over, once it was told to end. With the 200 ms in
 * which a cancellation is noticed it makes less than 0.5 s.
 */
const STEP_GRACE_MS = 250;

export interface WorkerRunOptions {
  readonly child: WorkerChild;
  readonly id: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: LipSyncEvent) => void;
  /** Longest time without an event. */
  readonly silenceMs: number;
  /** Longest wait for the end after an abort, where no step's length is known. */
  readonly abortLimitMs: number;
}

export class WorkerRun {
  readonly #options: WorkerRunOptions;
  readonly #ended = Promise.withResolvers<LipSyncResult>();
  readonly #abort = (): void => this.#callOff();
  #result: LipSyncResult | undefined;
  /** When the last step of each chunk was done: several may be denoised in turns. */
  readonly #lastStepAt = new Map<number, number>();
  #stepMs: number | undefined;
  #silence: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #silent = false;

  constructor(options: WorkerRunOptions) {
    this.#options = options;
    this.#listen();
    options.signal.addEventListener("abort", this.#abort);
  }

  /** @throws LatentSyncError, or the signal's reason; then the worker is idle again, or has ended. */
  async result(): Promise<LipSyncResult> {
    const { child, signal } = this.#options;
    const died = child.exited.then((exit) => {
      throw this.#crash(exit);
    });
    died.catch(() => {});
    try {
      const result = await Promise.race([this.#ended.promise, died]);
      signal.throwIfAborted();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", this.#abort);
      clearTimeout(this.#silence);
      clearTimeout(this.#grace);
    }
  }

  handle(report: Extract<WorkerReport, { readonly type: "event" | "ended" }>): void {
    if (report.run !== this.#options.id) return;
    if (report.type === "ended") return this.#end(report);
    this.#listen();
    const { event } = report;
    if (event.type === "step" && event.restored === undefined) this.#noteStep(event);
    if (event.type === "done") this.#result = event.result;
    this.#options.onEvent(event);
  }

  #end(report: Extract<WorkerReport, { readonly type: "ended" }>): void {
    if (report.error !== undefined) return this.#ended.reject(unpackError(report.error));
    if (this.#result !== undefined) return this.#ended.resolve(this.#result);
    this.#ended.reject(
      new LatentSyncError("runtime", "The engine ended its run without a result."),
    );
  }

  #listen(): void {
    clearTimeout(this.#silence);
    const { child, silenceMs } = this.#options;
    this.#silence = setTimeout(() => {
      this.#silent = true;
      child.kill();
    }, silenceMs);
  }

  #noteStep({ chunk, step, steps }: StepEvent): void {
    const now = performance.now();
    const last = this.#lastStepAt.get(chunk);
    if (last !== undefined) this.#stepMs = now - last;
    if (step < steps) this.#lastStepAt.set(chunk, now);
    else this.#lastStepAt.delete(chunk);
    // The step during which the abort came is over: nothing long may follow.
    if (this.#options.signal.aborted) this.#killAfter(STEP_GRACE_MS);
  }

  #callOff(): void {
    const { child, id, abortLimitMs } = this.#options;
    child.send({ type: "abort", run: id });
    this.#killAfter(this.#stepMs === undefined ? abortLimitMs : this.#stepMs + STEP_GRACE_MS);
  }

  #killAfter(ms: number): void {
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => this.#options.child.kill(), ms);
  }

  #crash(exit: ChildExit): LatentSyncError {
    if (this.#silent) {
      const seconds = Math.round(this.#options.silenceMs / 1000);
      return new LatentSyncError("crashed", `The worker process gave no sign for ${seconds} s.`);
    }
    return crashError(exit);
  }
}

export function crashError({ exitCode, exitSignal }: ChildExit): LatentSyncError {
  const how = exitSignal === null ? `with exit code ${exitCode}` : `by ${exitSignal}`;
  return new LatentSyncError("crashed", `The worker process was ended ${how}.`, {
    hint: "If it happens again with these inputs, they or the memory are the likely cause.",
  });
}

/** Why a worker process has no engine. */
export function setupError(cause: unknown): LatentSyncError {
  return new LatentSyncError("unavailable", `The engine could not be set up: ${messageOf(cause)}`, {
    cause,
    hint: "See the server's log; it is tried again by itself.",
  });
}
