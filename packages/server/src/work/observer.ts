/**
 * What the workers tell whoever watches them: metrics, logs, traces. Observers must not throw and
 * must return at once; they see raw messages with paths of the server, which clients never do.
 */
import type { JobError, JobManifest, JobRecord } from "../jobs/job.ts";
import type { EngineDescription } from "./engine.ts";

export type WorkerState = "starting" | "ready" | "busy" | "setup_failed" | "stopped";

/** How an attempt ended. Only the first three end the job. */
export type AttemptOutcome =
  | { readonly kind: "completed"; readonly manifest: JobManifest }
  /** `cancelled` is the error of a job that was called off. */
  | { readonly kind: "failed"; readonly error: JobError }
  | { readonly kind: "cancelled"; readonly error: JobError }
  /** It comes again, or is a dead letter if its attempts are used up. */
  | { readonly kind: "retry"; readonly error: JobError }
  /** Handed back because this process is ending; does not count as an attempt. */
  | { readonly kind: "released" }
  /** Somebody else holds the job now, or will: the lease is gone, or the queue could not be told. */
  | { readonly kind: "lost" };

/** Which attempt of which job, on which worker. `job.traceparent` joins it to its request's trace. */
export interface Attempt {
  readonly job: JobRecord;
  readonly worker: string;
}

/** Every method is optional. Times are seconds. */
export interface JobObserver {
  /** A job was claimed. `waitedSeconds` is since its creation. */
  readonly jobStarted?: (attempt: Attempt, details: { readonly waitedSeconds: number }) => void;
  /** A stage is over: `download`, the engine's stages, `publish`. */
  readonly stageEnded?: (
    attempt: Attempt,
    details: { readonly stage: string; readonly seconds: number },
  ) => void;
  /** Frames were handed to the encoder, `frames` in all so far. At most twice a second. */
  readonly framesDone?: (
    attempt: Attempt,
    details: { readonly frames: number; readonly totalFrames: number },
  ) => void;
  readonly jobFinished?: (
    attempt: Attempt,
    details: {
      readonly outcome: AttemptOutcome;
      readonly seconds: number;
      /** What was thrown, with the server's paths in it; for logs of the server. */
      readonly cause?: unknown;
    },
  ) => void;
  readonly leaseLost?: (attempt: Attempt) => void;
  readonly workerStateChanged?: (details: {
    readonly worker: string;
    readonly state: WorkerState;
    /** Of the child; `undefined` while there is none. */
    readonly pid: number | undefined;
    readonly description: EngineDescription | undefined;
  }) => void;
  /** The child died while it was not told to. */
  readonly workerCrashed?: (details: {
    readonly worker: string;
    readonly exitCode: number | null;
    readonly exitSignal: string | null;
    /** Last lines of its standard error. */
    readonly lastLines: readonly string[];
    /** That it was working on, if any. */
    readonly job: JobRecord | undefined;
  }) => void;
  /** A line that the child has printed. */
  readonly workerOutput?: (details: {
    readonly worker: string;
    readonly stream: "stdout" | "stderr";
    readonly line: string;
    readonly jobId: string | undefined;
  }) => void;
  /** Memory of the child, every few seconds. */
  readonly workerMemory?: (details: {
    readonly worker: string;
    readonly residentBytes: number;
  }) => void;
  /** Something of the service itself went wrong and was got over: the queue is away, a folder stays. */
  readonly trouble?: (details: {
    readonly what: string;
    readonly cause: unknown;
    readonly jobId?: string;
  }) => void;
}
