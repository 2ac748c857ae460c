/** What is known of a job. */
import type { LatentSyncErrorCode } from "@ls/core";
import type { JobRequest } from "./job-request.ts";

/** A cancelled job is `failed` with the code `cancelled`. */
export type JobStatus = "queued" | "processing" | "completed" | "failed";

export interface JobError {
  readonly code: LatentSyncErrorCode;
  /** What failed, where, and what was expected; fit for the client: no paths or addresses of the server. */
  readonly message: string;
  readonly hint?: string;
}

/** What a completed job leaves for the record: everything needed to account for it and to repeat it. */
export interface JobManifest {
  readonly software: { readonly name: string; readonly version: string };
  /** Name, and sha256 of each of the model's files by name. */
  readonly model: { readonly name: string; readonly files: Readonly<Record<string, string>> };
  readonly runtime: {
    readonly name: string;
    readonly hardware: string;
    /** Arithmetic of the networks, such as `float32`; records of earlier versions lack it. */
    readonly precision?: string;
  };
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: Readonly<
    Record<"video_in" | "audio_in", { readonly sha256: string; readonly sizeBytes: number }>
  >;
  readonly output: { readonly sha256: string; readonly sizeBytes: number };
  readonly frames: number;
  readonly framesWithoutFace: number;
  /** Seconds spent in each stage of the attempt that succeeded: download, load, frames, publish … */
  readonly stageSeconds: Readonly<Record<string, number>>;
  /** In US dollars, if the price of the hardware is known; estimated from earlier jobs, if there were any. */
  readonly cost?: { readonly estimated?: number; readonly actual: number };
}

/** A job as it is stored. Times are ISO 8601 in UTC. */
export interface JobRecord {
  /** UUID in lower case. */
  readonly id: string;
  readonly status: JobStatus;
  readonly request: JobRequest;
  /** Id of the API key, or the identity, that created it; `anonymous` where none is needed. */
  readonly owner: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** When the last attempt started. */
  readonly startedAt?: string;
  /** When it was completed, failed or was cancelled. */
  readonly finishedAt?: string;
  /** Starts so far, those that were handed back not counted. */
  readonly attempts: number;
  readonly deadlineAt?: string;
  /** Somebody has called it off; whoever holds it ends it. */
  readonly cancelRequested: boolean;
  /** It failed on its last permitted attempt with an error that might have been passing. */
  readonly deadLetter: boolean;
  readonly error?: JobError;
  readonly manifest?: JobManifest;
  /** W3C trace context of the request that created it. */
  readonly traceparent?: string;
}

/** What happened to a job, as its log and its event stream tell it. */
export type JobEventBody =
  | { readonly type: "status"; readonly status: JobStatus; readonly attempt: number }
  | {
      readonly type: "progress";
      /** `download`, the engine's stages (`load`, `speech`, `frames`, `finish`) or `publish`. */
      readonly stage: string;
      /** Whole job, 0 to 1. */
      readonly progress: number;
      readonly remainingSeconds?: number;
    }
  | {
      readonly type: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
    };

export type JobEvent = JobEventBody & {
  /** From 1, rising by job; the SSE event id. */
  readonly id: number;
  /** ISO 8601 in UTC. */
  readonly at: string;
};
