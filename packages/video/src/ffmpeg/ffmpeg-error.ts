import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { AVERROR_EACCES, AVERROR_EIO, AVERROR_ENOSPC, AVERROR_EPERM } from "node-av/constants";
import { FFmpegError } from "node-av/lib";

/** True if a system error (Node's or FFmpeg's text) says that the disk is full. */
function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || /No space left on device/i.test(error.message);
}

/** Turns a negative FFmpeg result into an error; `otherwise` is the code unless the system says more. */
export function ffmpegError(
  result: number,
  otherwise: LatentSyncErrorCode,
  message: string,
  hint: string,
): LatentSyncError {
  const reason = FFmpegError.strerror(result);
  const full = `${message}: ${reason}.`;
  if (result === AVERROR_ENOSPC) {
    return new LatentSyncError("disk_full", full, { hint: "Free disk space and run again." });
  }
  const system: readonly number[] = [AVERROR_EACCES, AVERROR_EPERM, AVERROR_EIO];
  return new LatentSyncError(system.includes(result) ? "io" : otherwise, full, { hint });
}

/** Throws {@link ffmpegError} if `result` is negative; gives it back otherwise. */
export function checkResult(
  result: number,
  otherwise: LatentSyncErrorCode,
  message: string,
  hint: string,
): number {
  if (result < 0) throw ffmpegError(result, otherwise, message, hint);
  return result;
}

/** Turns an error of `node:fs` into a {@link LatentSyncError}. */
export function fileError(error: unknown, message: string): LatentSyncError {
  if (LatentSyncError.is(error)) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const full = `${message}: ${error instanceof Error ? error.message : String(error)}.`;
  if (isDiskFull(error)) {
    return new LatentSyncError("disk_full", full, {
      cause: error,
      hint: "Free disk space and run again.",
    });
  }
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new LatentSyncError("not_found", full, { cause: error, hint: "Check the path." });
  }
  return new LatentSyncError("io", full, {
    cause: error,
    hint: "Check the path and its permissions.",
  });
}
