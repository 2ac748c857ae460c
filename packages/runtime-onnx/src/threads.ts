import { LatentSyncError } from "@ls/core";

/** A number of threads. @throws LatentSyncError `invalid_argument` if it is none. */
export function checkThreads(threads: number): number {
  if (Number.isSafeInteger(threads) && threads >= 1) return threads;
  throw new LatentSyncError(
    "invalid_argument",
    `threads must be a positive integer, but is ${threads}.`,
    { hint: "Leave it out to use every core that the process may use." },
  );
}
