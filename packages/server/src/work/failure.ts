/** What a failed attempt means for its job, and what its client may read of it. */
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import type { JobError } from "../jobs/job.ts";
import { isDiskFull } from "./messages.ts";

/** Whether another attempt may do better. */
const RETRY: Readonly<Record<LatentSyncErrorCode, boolean>> = {
  cancelled: false,
  conflict: true,
  crashed: true,
  disk_full: false,
  disposed: true,
  exhausted: true,
  forbidden: false,
  invalid_argument: false,
  invalid_media: false,
  invalid_model: false,
  io: true,
  network: true,
  no_face: false,
  not_found: false,
  runtime: true,
  timeout: true,
  too_large: false,
  unavailable: true,
  unmet: false,
  unsupported: false,
};

export function failureOf(error: unknown): { readonly error: JobError; readonly retry: boolean } {
  if (isDiskFull(error)) {
    const message = "The server's disk is full.";
    return { error: { code: "disk_full", message, hint: "Tell the operator." }, retry: false };
  }
  if (!LatentSyncError.is(error)) {
    const message = "The job failed for a reason that was not foreseen; the server's log has it.";
    return { error: { code: "runtime", message }, retry: true };
  }
  const { code, hint } = error;
  const message = withoutPaths(error.message);
  return {
    error: { code, message, ...(hint === undefined ? {} : { hint: withoutPaths(hint) }) },
    retry: RETRY[code],
  };
}

/** Absolute paths that do not belong to a URL. */
const PATHS = /(?<![\w:/.~-])(?:file:\/\/)?\/(?:[^\s/:'"`,;()]+\/)+([^\s/:'"`,;()]*)/gu;

/** Text with absolute paths cut to their last part: where files lie is not the client's business. */
export function withoutPaths(text: string): string {
  return text.replaceAll(PATHS, "$1");
}
