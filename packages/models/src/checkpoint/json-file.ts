import { open } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { toFileError } from "@ls/files";

const MAXIMUM_BYTES = 16 * 1024 * 1024;

/** @throws LatentSyncError `invalid_model` if the text is not JSON. */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LatentSyncError(
      "invalid_model",
      `${file} is not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, hint: "Download the file again." },
    );
  }
}

/**
 * A small text file as a whole.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_model` if it is over 16 MiB.
 */
export async function readTextFile(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > MAXIMUM_BYTES) {
      throw new LatentSyncError(
        "invalid_model",
        `${path} has ${size} bytes; a configuration of at most ${MAXIMUM_BYTES} was expected.`,
        { hint: "Check that the path names a configuration and not a checkpoint." },
      );
    }
    return await file.readFile("utf8");
  } catch (error) {
    throw toFileError(error, path);
  }
}
