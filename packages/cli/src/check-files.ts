/** What can be told of a job's files before a model is loaded for it. */
import type { Stats } from "node:fs";
import { access, constants, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { toFileError } from "@ls/files";

export interface JobFiles {
  readonly video: string;
  readonly audio: string;
  readonly out: string;
}

/**
 * Checks that the inputs are files with something in them, that they may be read, and that the output
 * can be made without harm to anything. Nothing is opened: a pipe would wait for its writer.
 * @throws LatentSyncError `not_found`, `io`, `invalid_media` or `invalid_argument`.
 */
export async function checkFiles({ video, audio, out }: JobFiles): Promise<void> {
  for (const path of [video, audio, out]) checkPath(path);
  const inputs = [await checkMedia("video", video), await checkMedia("audio", audio)];
  const output = resolve(out);
  await checkOutputFolder(output, out);
  await checkOutput(output, inputs);
}

/** @param name the path as it was given. */
async function checkOutputFolder(output: string, name: string): Promise<void> {
  const folder = dirname(output);
  const status = await stat(folder).catch((error: unknown) => {
    throw toFileError(error, folder);
  });
  if (!status.isDirectory()) {
    throw new LatentSyncError("not_found", `${folder}, where ${name} is to lie, is no folder.`, {
      hint: "Give a path in a folder that exists.",
    });
  }
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw new LatentSyncError(
      "io",
      `Nothing can be written to ${folder}, where ${name} is to lie.`,
      {
        cause,
        hint: "Choose another folder, or change its permissions.",
      },
    );
  });
}

interface InputIdentity {
  readonly name: string;
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

async function checkMedia(name: string, path: string): Promise<InputIdentity> {
  const { dev: device, ino: inode } = await checkInputFile(path, {
    code: "invalid_media",
    hint: "Give a video or sound file: folders, pipes and devices are not read.",
  });
  return { name, path: resolve(path), device, inode };
}

const NO_FILE: WrongFile = {
  code: "invalid_argument",
  hint: "Give a regular file: folders, pipes and devices are not read.",
};

interface WrongFile {
  readonly code: LatentSyncErrorCode;
  readonly hint: string;
}

/**
 * Checks that a path names a regular file with something in it that may be read. It is not opened: a
 * pipe would wait for its writer.
 * @param wrong error for what is no such file.
 * @throws LatentSyncError `not_found`, `io`, or what `wrong` says: by default `invalid_argument`.
 */
export async function checkInputFile(path: string, wrong: WrongFile = NO_FILE): Promise<Stats> {
  checkPath(path);
  const status = await stat(path).catch((error: unknown) => {
    throw toFileError(error, path);
  });
  if (!status.isFile() || status.size === 0) {
    const problem = status.isFile() ? "is empty" : "is not a regular file";
    throw new LatentSyncError(wrong.code, `${path} ${problem}.`, { hint: wrong.hint });
  }
  await access(path, constants.R_OK).catch((error: unknown) => {
    throw toFileError(error, path);
  });
  return status;
}

/** An output is replaced only if it is a file of its own, by whatever name or link. */
async function checkOutput(output: string, inputs: readonly InputIdentity[]): Promise<void> {
  const status = await stat(output).catch(() => undefined);
  const input = inputs.find(
    ({ path, device, inode }) =>
      path === output || (status?.dev === device && status.ino === inode && inode !== 0),
  );
  if (input !== undefined) {
    throw new LatentSyncError(
      "invalid_argument",
      `The output ${output} is also the ${input.name} input.`,
      { hint: "Write to another file." },
    );
  }
  refuseOthers(output, status);
}

/**
 * Checks that a file can be written in whole and then put at a path.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_argument` for what is there and no file.
 */
export async function checkOutputFile(path: string): Promise<void> {
  checkPath(path);
  const output = resolve(path);
  await checkOutputFolder(output, path);
  refuseOthers(output, await stat(output).catch(() => undefined));
}

/** A file is replaced by a rename, which would also put a device or a pipe away. */
function refuseOthers(output: string, status: Stats | undefined): void {
  if (status === undefined || status.isFile()) return;
  const kind = status.isDirectory() ? "a folder" : "not a regular file";
  throw new LatentSyncError("invalid_argument", `The output ${output} is ${kind}.`, {
    hint: "Give a name that is free, or that of a file to replace.",
  });
}

function checkPath(path: string): void {
  if (path !== "" && !path.includes("\0")) return;
  throw new LatentSyncError("invalid_argument", `A path cannot be ${JSON.stringify(path)}.`, {
    hint: "Give the path of a file.",
  });
}
