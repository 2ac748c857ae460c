import { LatentSyncError } from "@ls/core";

const FULL: ReadonlySet<string> = new Set(["EDQUOT", "ENOSPC"]);

export function systemCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/**
 * A failed operation on a file of the server; errors of other kinds stay as they are.
 * @param what What was attempted, without the path: "Storing the download".
 */
export function toSystemError(error: unknown, what: string): unknown {
  if (LatentSyncError.is(error) || !(error instanceof Error)) return error;
  const code = systemCode(error);
  if (code === undefined || (error as NodeJS.ErrnoException).syscall === undefined) return error;
  if (FULL.has(code)) {
    return new LatentSyncError("disk_full", `${what} failed: the disk is full.`, {
      cause: error,
      hint: "Free some space, or set DATA_DIR to a folder on a larger disk.",
    });
  }
  return new LatentSyncError("io", `${what} failed (${code}).`, {
    cause: error,
    hint: "Check the permissions of the server's folders.",
  });
}
