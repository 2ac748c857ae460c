import { constants, type FileHandle, open } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";

/** A regular, non-empty file that is open for reading. */
export interface SoundFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/** An `invalid_media` error about the file at `path`; `problem` completes the sentence "the file ...". */
export function invalidSound(
  path: string,
  problem: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): LatentSyncError {
  return new LatentSyncError("invalid_media", `Cannot read the sound of ${path}: ${problem}.`, {
    hint: options.hint ?? "Pass a complete sound or video file; FFmpeg can repair or convert it.",
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  });
}

function openFailure(path: string, cause: unknown): LatentSyncError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new LatentSyncError("not_found", `There is no sound file at ${path}.`, {
      cause,
      hint: "Check the path.",
    });
  }
  return new LatentSyncError(
    "io",
    `The sound file ${path} cannot be opened: ${(cause as Error).message}.`,
    { cause, hint: "Check the permissions of the file and of its folder." },
  );
}

/**
 * Opens a local file.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_media` if it is not a regular file or empty.
 */
export async function openSoundFile(path: string): Promise<SoundFile> {
  if (path.includes("\0")) {
    throw new LatentSyncError("not_found", "A path cannot contain a null character.");
  }
  // A pipe would be waited for until somebody writes into it.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  const handle = await open(path, flags).catch((cause: unknown) => {
    throw openFailure(path, cause);
  });
  try {
    const status = await handle.stat();
    if (!status.isFile()) {
      throw invalidSound(path, "it is not a regular file", { hint: "Pass the path of a file." });
    }
    if (status.size === 0) throw invalidSound(path, "the file is empty");
    return { path, handle, sizeBytes: status.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
