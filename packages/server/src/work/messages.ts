/** What the server and a worker process say to each other, as JSON over the process's own channel. */
import { LatentSyncError, type LatentSyncErrorCode, type LipSyncEvent } from "@ls/core";
import type { EngineDescription, EngineRequest } from "./engine.ts";

/** A run's request without what cannot cross. */
export type RunRequest = Omit<EngineRequest, "signal">;

export interface ErrorMessage {
  readonly code: LatentSyncErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** Server to worker. */
export type WorkerCommand =
  | {
      readonly type: "start";
      readonly engineModule: string;
      readonly engineOptions: Readonly<Record<string, unknown>>;
    }
  | { readonly type: "run"; readonly run: number; readonly request: RunRequest }
  | { readonly type: "abort"; readonly run: number }
  | { readonly type: "stop" };

/** Worker to server. */
export type WorkerReport =
  | { readonly type: "ready"; readonly description: EngineDescription }
  | { readonly type: "setup_failed"; readonly error: ErrorMessage }
  | { readonly type: "event"; readonly run: number; readonly event: LipSyncEvent }
  | { readonly type: "ended"; readonly run: number; readonly error?: ErrorMessage }
  | { readonly type: "memory"; readonly residentBytes: number };

/** Takes an error apart; what is not of the project is `disk_full` or `runtime`. */
export function packError(error: unknown): ErrorMessage {
  if (isDiskFull(error)) {
    return {
      code: "disk_full",
      message: messageOf(error),
      hint: "Free space on the server's disk.",
    };
  }
  if (!LatentSyncError.is(error)) return { code: "runtime", message: messageOf(error) };
  const { code, message, hint } = error;
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}

/** Puts an error together again. */
export function unpackError({ code, message, hint }: ErrorMessage): LatentSyncError {
  return new LatentSyncError(code, message, hint === undefined ? {} : { hint });
}

/** Whether the error, or what caused it, is that a disk or quota is full. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    if ("code" in at && (at.code === "ENOSPC" || at.code === "EDQUOT" || at.code === "disk_full")) {
      return true;
    }
  }
  return false;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
