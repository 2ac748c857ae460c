/** Runtimes whose native libraries were installed in the data folder, and what is known of them. */
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { toFileError } from "../file-error.ts";
import { computeSha256 } from "../file-hash.ts";
import { dataFolder, type FolderOptions } from "../folders.ts";

/** A file of an installed runtime. */
export interface InstalledFile {
  /** Relative to the runtime's folder, with forward slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** Where files of an installed runtime came from. */
export interface InstalledSource {
  /** The project on the index. */
  readonly project: string;
  /** Name of the wheel, or the folder. */
  readonly name: string;
  /** Its files in the runtime's folder. */
  readonly files: readonly InstalledFile[];
}

/** Native libraries that were installed. */
export interface InstalledRuntime {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  readonly sources: readonly InstalledSource[];
  /** Files that were copied from this machine's own. */
  readonly copies: readonly InstalledFile[];
}

export const INSTALLED_NAME = "installed.json";

function parse(text: string): Omit<InstalledRuntime, "folder"> {
  const value = JSON.parse(text) as Partial<InstalledRuntime>;
  const { name, version, sources, copies } = value;
  if (
    typeof name !== "string" ||
    typeof version !== "string" ||
    !Array.isArray(sources) ||
    !Array.isArray(copies)
  ) {
    throw new TypeError("name, version, sources or copies are missing");
  }
  return { name, version, sources, copies };
}

/** What is installed in a folder; undefined if nothing is, or not as a whole. */
export async function readInstalledRuntime(folder: string): Promise<InstalledRuntime | undefined> {
  try {
    return { ...parse(await readFile(join(folder, INSTALLED_NAME), "utf8")), folder };
  } catch {
    return undefined;
  }
}

/** All files of an installed runtime. */
export function installedFiles({ sources, copies }: InstalledRuntime): readonly InstalledFile[] {
  return [...sources.flatMap(({ files }) => files), ...copies];
}

/** Whether every file of an installed runtime is as it was installed. */
export async function isInstalledIntact(
  runtime: InstalledRuntime,
  signal?: AbortSignal,
): Promise<boolean> {
  return areIntact(runtime.folder, installedFiles(runtime), signal);
}

/** Whether files of a folder are as they were installed. */
export async function areIntact(
  folder: string,
  files: readonly InstalledFile[],
  signal?: AbortSignal,
): Promise<boolean> {
  for (const { path, sizeBytes, sha256 } of files) {
    const local = join(folder, ...path.split("/"));
    const size = await stat(local).then(
      (stats) => stats.size,
      () => undefined,
    );
    if (size !== sizeBytes || (await computeSha256(local, signal)) !== sha256) return false;
  }
  return true;
}

async function listFolders(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted();
}

/** The runtimes in the data folder, by name and version. */
export async function listInstalledRuntimes(
  options: FolderOptions = {},
): Promise<readonly InstalledRuntime[]> {
  const root = join(dataFolder(options), "runtimes");
  const found: InstalledRuntime[] = [];
  for (const name of await listFolders(root)) {
    for (const version of await listFolders(join(root, name))) {
      const installed = await readInstalledRuntime(join(root, name, version));
      if (installed !== undefined) found.push(installed);
    }
  }
  return found;
}

/**
 * Removes the installed versions of a runtime.
 * @returns what was removed.
 * @throws LatentSyncError `not_found` if it is not installed, `io`.
 */
export async function removeRuntime(
  name: string,
  options: FolderOptions = {},
): Promise<readonly InstalledRuntime[]> {
  const installed = (await listInstalledRuntimes(options)).filter(
    (runtime) => runtime.name === name,
  );
  if (installed.length === 0) {
    throw new LatentSyncError("not_found", `${name} is not installed in ${dataFolder(options)}.`, {
      hint: "Run: latentsync-ts runtime list",
    });
  }
  for (const { folder } of installed) {
    await rm(folder, { recursive: true }).catch((error: unknown) => {
      throw toFileError(error, folder);
    });
  }
  return installed;
}
