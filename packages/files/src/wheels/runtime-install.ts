/** Installs native libraries out of Python wheels, which carry the makers' own builds. */
import { constants } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { download, type DownloadEvent } from "../download.ts";
import { toFileError } from "../file-error.ts";
import { computeSha256 } from "../file-hash.ts";
import { acquireLock } from "../file-lock.ts";
import { cacheFolder, runtimeFolder } from "../folders.ts";
import { formatOwner, isGone, parseOwner, thisProcess } from "../process-owner.ts";
import {
  areIntact,
  INSTALLED_NAME,
  type InstalledFile,
  type InstalledRuntime,
  type InstalledSource,
  isInstalledIntact,
  readInstalledRuntime,
} from "./installed-runtime.ts";
import { PackageIndex } from "./package-index.ts";
import { unpackWheel } from "./wheel-archive.ts";
import { chooseWheel, thisWheelPlatform, type WheelPlatform } from "./wheel-name.ts";

/** What is taken from a wheel. */
export interface WheelPart {
  /** The project's name on the index, such as `onnxruntime-gpu`. */
  readonly project: string;
  /** An exact version, or a series such as `9.*`, of which the newest is taken. */
  readonly version: string;
  /** Where a file of the wheel goes in the runtime's folder; undefined leaves it out. */
  place(path: string): string | undefined;
  /** Files that must be there afterwards, as {@link place} names them. */
  readonly required: readonly string[];
}

/** What a runtime's folder is made of. */
export interface RuntimeParts {
  /** Short name such as `cuda`. */
  readonly name: string;
  readonly version: string;
  readonly wheels: readonly WheelPart[];
  /** Local files that lie beside the wheels' files, by their name there. */
  readonly copies?: Readonly<Record<string, string>>;
}

/** What happens while a runtime is installed; `file` is the wheel or the file that it is about. */
export type RuntimeInstallEvent =
  | (DownloadEvent & { readonly file: string })
  | { readonly type: "unpack"; readonly file: string; readonly bytesTotal: number };

export interface InstallRuntimeOptions {
  /** A wheel, or a folder of wheels or of the libraries themselves, instead of an index. */
  readonly from?: string | undefined;
  /** Address of the index's simple API. Default: `PIP_INDEX_URL`, else PyPI's. */
  readonly indexUrl?: string | undefined;
  readonly onEvent?: ((event: RuntimeInstallEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Attempts in a row that bring nothing before giving up; default 5. */
  readonly attempts?: number;
  /** Pause before the second attempt, doubled with each further one; default 1000. */
  readonly retryDelayMs?: number;
  /** A connection that brings nothing for so long is given up; default 60000. */
  readonly stallTimeoutMs?: number;
  /** Default: the machine that this process runs on. */
  readonly platform?: WheelPlatform;
}

const DISK_FULL_HINT =
  "Free some space, or set LATENTSYNC_HOME to a folder on another disk; the download then goes on where it stopped.";

/** Whether what was installed holds what a part needs. */
function holds(files: readonly InstalledFile[], { required }: WheelPart): boolean {
  return required.every((name) => files.some(({ path }) => path === name));
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch((error: unknown) => {
    throw toFileError(error, path);
  });
  return stats.isDirectory();
}

class RuntimeInstaller {
  readonly #parts: RuntimeParts;
  readonly #options: InstallRuntimeOptions;
  readonly #staging: string;
  readonly #before: InstalledRuntime | undefined;
  readonly #platform: WheelPlatform;

  /** @param before what is installed now, of which intact parts are kept. */
  constructor(
    parts: RuntimeParts,
    options: InstallRuntimeOptions,
    staging: string,
    before: InstalledRuntime | undefined,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#staging = staging;
    this.#before = before;
    this.#platform = options.platform ?? thisWheelPlatform();
  }

  /** Fills the staging folder. */
  async collect(): Promise<Omit<InstalledRuntime, "folder">> {
    const { name, version, wheels, copies = {} } = this.#parts;
    await mkdir(this.#staging, { recursive: true });
    const sources: InstalledSource[] = [];
    for (const part of wheels) {
      sources.push((await this.#keep(part)) ?? (await this.#collectPart(part)));
    }
    const copied: InstalledFile[] = [];
    for (const [to, path] of Object.entries(copies)) copied.push(await this.#copy(path, to));
    const installed = { name, version, sources, copies: copied };
    await writeFile(join(this.#staging, INSTALLED_NAME), `${JSON.stringify(installed, null, 2)}\n`);
    return installed;
  }

  /** Takes a part over from what is installed, if it is there and intact. */
  async #keep(part: WheelPart): Promise<InstalledSource | undefined> {
    const before = this.#before;
    const source = before?.sources.find(({ project }) => project === part.project);
    if (before === undefined || source === undefined || !holds(source.files, part)) {
      return undefined;
    }
    if (!(await areIntact(before.folder, source.files, this.#options.signal))) return undefined;
    for (const { path } of source.files) {
      const target = join(this.#staging, ...path.split("/"));
      await mkdir(dirname(target), { recursive: true });
      const kept = join(before.folder, ...path.split("/"));
      await copyFile(kept, target, constants.COPYFILE_FICLONE);
    }
    return source;
  }

  async #collectPart(part: WheelPart): Promise<InstalledSource> {
    const { from } = this.#options;
    if (from === undefined) return this.#collectFromIndex(part);
    if (!(await isFolder(from))) return this.#unpack(part, from, dirname(from), [basename(from)]);
    const names = await readdir(from);
    const wheels = names.filter((name) => name.endsWith(".whl"));
    if (wheels.length > 0) return this.#unpack(part, from, from, wheels);
    return this.#collectLibraries(part, from);
  }

  async #collectFromIndex(part: WheelPart): Promise<InstalledSource> {
    const { attempts = 5, retryDelayMs = 1000, stallTimeoutMs = 60_000 } = this.#options;
    const { signal, onEvent, indexUrl } = this.#options;
    const withSignal = signal === undefined ? {} : { signal };
    const index = new PackageIndex({ url: indexUrl, attempts, retryDelayMs, ...withSignal });
    const files = await index.listFiles(part.project);
    const file = chooseWheel(files, part, this.#platform, index.name);
    const { fileName, sha256, url } = file;
    const path = join(cacheFolder(), "downloads", sha256, fileName);
    await download({
      client: index.client(url),
      content: {
        name: `${fileName} of ${index.name}`,
        url,
        sizeBytes: await index.sizeOf(file),
        hash: sha256,
        isIntact: async (local) => (await computeSha256(local, signal)) === sha256,
      },
      path,
      lockPath: `${path}.lock`,
      onEvent: (event) => onEvent?.({ ...event, file: fileName }),
      stallTimeoutMs,
      diskFullHint: DISK_FULL_HINT,
      ...withSignal,
    });
    try {
      return await this.#unpackWheel(part, path);
    } finally {
      // Twice the size of the libraries is too much to keep.
      await rm(dirname(path), { recursive: true, force: true });
    }
  }

  /** Unpacks the one of local wheels that is the part's. */
  #unpack(
    part: WheelPart,
    place: string,
    folder: string,
    names: readonly string[],
  ): Promise<InstalledSource> {
    const files = names.map((fileName) => ({ fileName }));
    const { fileName } = chooseWheel(files, part, this.#platform, place);
    return this.#unpackWheel(part, join(folder, fileName));
  }

  async #unpackWheel(part: WheelPart, path: string): Promise<InstalledSource> {
    const { onEvent, signal } = this.#options;
    const files = await unpackWheel(path, {
      folder: this.#staging,
      place: (name) => part.place(name),
      onFile: (file, bytesTotal) => onEvent?.({ type: "unpack", file, bytesTotal }),
      signal,
    });
    const missing = part.required.filter((name) => !files.some((file) => file.path === name));
    if (missing.length === 0) return { project: part.project, name: basename(path), files };
    throw new LatentSyncError(
      "invalid_argument",
      `${basename(path)} does not contain ${missing.join(", ")}.`,
      { hint: "Choose another wheel, or report this as a fault of this program." },
    );
  }

  /** Libraries that someone has unpacked already; there is nothing to verify them with. */
  async #collectLibraries(part: WheelPart, folder: string): Promise<InstalledSource> {
    const names = new Set(await readdir(folder));
    const missing = part.required.filter((name) => !names.has(basename(name)));
    if (missing.length > 0) {
      throw new LatentSyncError(
        "not_found",
        `${folder} has neither a wheel of ${part.project} nor ${missing.map((name) => basename(name)).join(", ")}.`,
        { hint: `Put the wheel of ${part.project} ${part.version} there.` },
      );
    }
    const files: InstalledFile[] = [];
    for (const name of part.required)
      files.push(await this.#copy(join(folder, basename(name)), name));
    return { project: part.project, name: folder, files };
  }

  async #copy(path: string, to: string): Promise<InstalledFile> {
    const { onEvent, signal } = this.#options;
    signal?.throwIfAborted();
    const target = join(this.#staging, ...to.split("/"));
    await mkdir(dirname(target), { recursive: true });
    const { size: sizeBytes } = await stat(path).catch((error: unknown) => {
      throw toFileError(error, path);
    });
    onEvent?.({ type: "unpack", file: to, bytesTotal: sizeBytes });
    await copyFile(path, target, constants.COPYFILE_FICLONE);
    return { path: to, sizeBytes, sha256: await computeSha256(target, signal) };
  }
}

/** Removes what processes that are gone have left beside a folder. */
async function removeStaleStaging(folder: string): Promise<void> {
  const names = await readdir(dirname(folder)).catch(() => []);
  for (const name of names) {
    const match = /^\.staging-(.+)$/.exec(name);
    const owner = parseOwner(match?.[1] ?? "");
    if (owner !== undefined && isGone(owner)) {
      await rm(join(dirname(folder), name), { recursive: true, force: true });
    }
  }
}

/**
 * Brings a runtime's native libraries into the data folder: fetches wheels, resuming what was broken
 * off, verifies each by the index's SHA-256 and each file by the wheel's own, and puts the folder in
 * place when it is whole. What is installed and intact is left alone.
 * @throws LatentSyncError `not_found`, `unsupported`, `network`, `invalid_argument`, `disk_full` or
 *   `io`; the signal's reason on abort. Nothing is left behind but a download that was broken off,
 *   which the next call resumes.
 */
export async function installRuntime(
  parts: RuntimeParts,
  options: InstallRuntimeOptions = {},
): Promise<InstalledRuntime> {
  const folder = runtimeFolder(parts.name, parts.version);
  const parent = dirname(folder);
  const staging = join(parent, `.staging-${formatOwner(thisProcess())}`);
  const { signal } = options;
  try {
    await mkdir(parent, { recursive: true });
    await using lock = await acquireLock(join(parent, `${parts.version}.lock`), signal);
    void lock;
    const before = await readInstalledRuntime(folder);
    const isWanted =
      before !== undefined &&
      parts.wheels.every((part) => before.sources.some(({ files }) => holds(files, part)));
    if (isWanted && (await isInstalledIntact(before, signal))) return before;
    await removeStaleStaging(folder);
    const installed = await new RuntimeInstaller(parts, options, staging, before).collect();
    await rm(folder, { recursive: true, force: true });
    await rename(staging, folder);
    return { ...installed, folder };
  } catch (error) {
    signal?.throwIfAborted();
    throw LatentSyncError.is(error) ? error : toFileError(error, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
