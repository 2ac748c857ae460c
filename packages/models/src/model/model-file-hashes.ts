import { readdir } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { hashFile } from "@ls/files";
import { openDiffusersFolder } from "../checkpoint/diffusers-folder.ts";
import { findModelFiles, type ModelFiles } from "../checkpoint/model-files.ts";
import { findPulledModel } from "../hub/index.ts";
import { openConvertedModel } from "./converted-model.ts";
import { isPublishedName, type ModelReference, type OpenModelSettings } from "./open-model.ts";

/**
 * SHA-256 of each of a model's files in hexadecimal, by names that do not tell where they lie, such
 * as `latentsync_unet.pt` and `vae/config.json`. They are remembered in the cache folder.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`; the signal's reason on abort.
 */
export async function hashModelFiles(
  reference: ModelReference,
  settings: Pick<OpenModelSettings, "cacheFolder" | "signal"> = {},
): Promise<Readonly<Record<string, string>>> {
  const { cacheFolder, signal } = settings;
  const hashes: Record<string, string> = {};
  for (const [name, path] of await listModelFiles(reference)) {
    hashes[name] = await hashFile(path, {
      ...(cacheFolder === undefined ? {} : { folder: cacheFolder }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
  return hashes;
}

/**
 * Paths of a model's files, by the same names as {@link hashModelFiles} gives them.
 * @throws LatentSyncError `not_found` for the first that is missing, `io` or `invalid_model`.
 */
export async function listModelFiles(
  reference: ModelReference,
): Promise<ReadonlyMap<string, string>> {
  if (typeof reference !== "string") return listParts(await findModelFiles(reference));
  if (isPublishedName(reference)) return listParts((await findPulledModel(reference)).files);
  if ((await openConvertedModel(reference)) === undefined) {
    return listParts(await findModelFiles({ folder: reference }));
  }
  const entries = await readdir(reference, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const named = paths.map(
    (path) => [relative(reference, path).split(sep).join("/"), path] as const,
  );
  return new Map(named.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function listParts(files: ModelFiles): Promise<Map<string, string>> {
  const { unetConfig, unetPath, vaeFolder, whisperPaths, schedulerPath } = files;
  const vae = await openDiffusersFolder(vaeFolder);
  await vae.tensors[Symbol.asyncDispose]();
  const settings = [unetConfig, schedulerPath].filter((path) => typeof path === "string");
  return new Map([
    ...[...settings, unetPath].map((path) => [basename(path), path] as const),
    ...vae.files.map((path) => [`vae/${basename(path)}`, path] as const),
    ...whisperPaths.map((path) => [`whisper/${basename(path)}`, path] as const),
  ]);
}
