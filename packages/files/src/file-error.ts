import { LatentSyncError } from "@ls/core";

/** The system's error code such as `ENOENT`, if there is one. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** A system error over `path` as the project's own; a LatentSyncError passes through. */
export function toFileError(error: unknown, path: string): LatentSyncError {
  if (LatentSyncError.is(error)) return error;
  const code = systemCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new LatentSyncError("not_found", `${path} does not exist.`, {
      cause: error,
      hint: "Check the path.",
    });
  }
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new LatentSyncError("disk_full", `The disk is full; ${path} could not be written.`, {
      cause: error,
      hint: "Free some space, or choose another folder, and try again.",
    });
  }
  return new LatentSyncError("io", `${path} cannot be read or written: ${reason}`, {
    cause: error,
    hint: "Check the file and its permissions.",
  });
}
