/** The files that a run reads, and the options that name them. */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { LatentSyncError } from "@ls/core";
import { computeSha256, toFileError } from "@ls/files";
import type { OptionRecord } from "./option-record.ts";

/** A file as it was when a run read it. */
export interface InputFile {
  /** Absolute. */
  readonly path: string;
  /** Of its content, hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Options that name files which are written, or which a model's own hash stands for. */
const NO_INPUTS: ReadonlySet<string> = new Set([
  "out",
  "frames-out",
  "trace",
  "manifest",
  "temp-dir",
  "model",
  "unet-config",
  "unet-checkpoint",
  "c2pa-cert",
  "c2pa-key",
]);

/**
 * Every file that an option names, by the option: `video`, `audio`, and others such as `landmarks`.
 * An option whose text is no file, such as `center`, names none. Networks in a folder are named by
 * the option and their own name.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_media` for a video or speech that is no
 *   regular file: devices and pipes have no end.
 */
export async function describeInputs(
  options: OptionRecord,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, InputFile>>> {
  const inputs: Record<string, InputFile> = {};
  for (const [option, value] of Object.entries(options)) {
    if (typeof value !== "string" || NO_INPUTS.has(option)) continue;
    const isMedia = option === "video" || option === "audio";
    for (const [name, path] of await filesAt(option, resolve(value), isMedia)) {
      const { size: sizeBytes } = await stat(path);
      inputs[name] = { path, sha256: await computeSha256(path, signal), sizeBytes };
    }
  }
  return inputs;
}

async function filesAt(
  option: string,
  path: string,
  isMedia: boolean,
): Promise<readonly (readonly [name: string, path: string])[]> {
  const status = await stat(path).catch((error: unknown) => {
    if (isMedia) throw toFileError(error, path);
    return undefined;
  });
  if (status?.isFile()) return [[option, path]];
  if (isMedia) {
    throw new LatentSyncError("invalid_media", `${path} is not a regular file.`, {
      hint: "Give a file: folders, pipes and devices are not read.",
    });
  }
  if (!status?.isDirectory()) return [];
  const names = (await readdir(path)).filter((name) => name.endsWith(".onnx")).toSorted();
  return names.map((name) => [`${option}/${name}`, join(path, name)] as const);
}
