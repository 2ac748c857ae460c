/** Answers of stores as errors, and which of them may pass. */
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";

/** Another attempt may succeed. */
const PASSING: ReadonlySet<LatentSyncErrorCode> = new Set(["network", "timeout", "unavailable"]);

const CODES: Readonly<Record<number, LatentSyncErrorCode>> = {
  401: "forbidden",
  403: "forbidden",
  404: "not_found",
  407: "forbidden",
  408: "timeout",
  409: "conflict",
  410: "not_found",
  412: "conflict",
  413: "too_large",
  // Fewer bytes than there were: another object.
  416: "conflict",
  425: "unavailable",
  429: "unavailable",
  451: "forbidden",
  501: "unsupported",
  505: "unsupported",
};

const HINTS: Partial<Record<LatentSyncErrorCode, string>> = {
  conflict: "The object has changed; start again.",
  forbidden: "Check that the address is still valid and permits this.",
  not_found: "Check the address.",
  network: "Try again later.",
  timeout: "Try again later.",
  unavailable: "Try again later.",
};

/** Whether the same request may succeed later. */
export function mayPass(error: unknown): boolean {
  return LatentSyncError.is(error) && PASSING.has(error.code);
}

/**
 * An answer with an error status. Statuses of the server's side (5xx), too many requests and
 * timeouts are errors that may pass.
 * @param what Of which object, and what was asked: "Reading https://host/path".
 */
export function statusError(what: string, status: number, cause?: unknown): LatentSyncError {
  const code = CODES[status] ?? (status >= 500 ? "network" : "unsupported");
  return new LatentSyncError(code, `${what} failed: the store answered ${status}.`, {
    cause,
    hint: HINTS[code] ?? "Check that the address is one of a plain object.",
  });
}
