/** Names of wheels, and which of them fits a machine. */
import { LatentSyncError } from "@ls/core";

/** The parts of a wheel's file name. */
export interface WheelName {
  readonly fileName: string;
  /** Name of the project, normalised: lower case with hyphens. */
  readonly project: string;
  readonly version: string;
  readonly pythonTag: string;
  readonly abiTag: string;
  readonly platformTags: readonly string[];
}

/** A machine as far as wheels tell machines apart. */
export interface WheelPlatform {
  readonly platform: NodeJS.Platform;
  readonly architecture: string;
  /** Version of the C library on Linux, such as `2.36`; undefined for another C library. */
  readonly glibcVersion: string | undefined;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "linux-x64": "x86_64",
  "linux-arm64": "aarch64",
  "win32-x64": "amd64",
  "win32-arm64": "arm64",
  "darwin-arm64": "arm64",
  "darwin-x64": "x86_64",
};

const OLD_MANYLINUX: Readonly<Record<string, string>> = {
  manylinux1: "2.5",
  manylinux2010: "2.12",
  manylinux2014: "2.17",
};

/** The machine that this process runs on. */
export function thisWheelPlatform(): WheelPlatform {
  const report = process.report.getReport() as {
    readonly header?: { readonly glibcVersionRuntime?: string };
  };
  return {
    platform: process.platform,
    architecture: process.arch,
    glibcVersion: report.header?.glibcVersionRuntime,
  };
}

/** A project's name as indexes compare it. */
export function normalizeProject(name: string): string {
  return name.replaceAll(/[-_.]+/g, "-").toLowerCase();
}

/** @returns undefined for what is no wheel. */
function parseWheelName(fileName: string): WheelName | undefined {
  if (!fileName.endsWith(".whl")) return undefined;
  const parts = fileName.slice(0, -".whl".length).split("-");
  if (parts.length !== 5 && parts.length !== 6) return undefined;
  const [project = "", version = ""] = parts;
  const [pythonTag = "", abiTag = "", platformTag = ""] = parts.slice(-3);
  return {
    fileName,
    project: normalizeProject(project),
    version,
    pythonTag,
    abiTag,
    platformTags: platformTag.split("."),
  };
}

/** -1, 0 or 1 by the numbers of two versions; a part that is no number counts as 0. */
export function compareVersions(left: string, right: string): number {
  const numbers = (version: string): readonly number[] =>
    version.split(".").map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [numbers(left), numbers(right)];
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/** Whether a version is `wanted`, or in the series that `wanted` names, such as `9.*`. */
function matchesVersion(version: string, wanted: string): boolean {
  if (!wanted.endsWith(".*")) return version === wanted;
  const isFinal = /^\d+(?:\.\d+)*$/.test(version);
  return isFinal && version.startsWith(wanted.slice(0, -1));
}

function fitsTag(tag: string, { platform, architecture, glibcVersion }: WheelPlatform): boolean {
  const name = ARCHITECTURES[`${platform}-${architecture}`];
  if (name === undefined) return false;
  if (platform === "win32") return tag === `win_${name}`;
  if (platform === "darwin") return tag.startsWith("macosx_") && tag.endsWith(`_${name}`);
  if (glibcVersion === undefined || !tag.endsWith(`_${name}`)) return false;
  const base = tag.slice(0, -name.length - 1);
  const numbers = /^manylinux_(\d+)_(\d+)$/.exec(base);
  const needed = numbers === null ? OLD_MANYLINUX[base] : `${numbers[1]}.${numbers[2]}`;
  return needed !== undefined && compareVersions(needed, glibcVersion) <= 0;
}

/** Native libraries are the same in the wheels of all Pythons; one order makes the choice certain. */
function pythonRank({ pythonTag, abiTag }: WheelName): number {
  if (pythonTag.startsWith("py3") || pythonTag.startsWith("py2.py3")) return Infinity;
  const minor = Number(/^cp3(\d+)$/.exec(pythonTag)?.[1] ?? 0);
  return abiTag.endsWith("t") ? minor - 100 : minor;
}

/**
 * The wheel of a project and version for a machine: of the newest version that is wanted, and of the
 * newest Python.
 * @param version exact, or a series such as `9.*`.
 * @throws LatentSyncError `not_found` if there is no such version, `unsupported` if there is none
 *   for this machine.
 */
export function chooseWheel<File extends { readonly fileName: string }>(
  files: readonly File[],
  wanted: { readonly project: string; readonly version: string },
  platform: WheelPlatform,
  place: string,
): File {
  const candidates = files.flatMap((file) => {
    const name = parseWheelName(file.fileName);
    const isWanted =
      name?.project === normalizeProject(wanted.project) &&
      matchesVersion(name.version, wanted.version);
    return isWanted ? [{ file, name }] : [];
  });
  if (candidates.length === 0) {
    throw new LatentSyncError(
      "not_found",
      `${place} has no wheel of ${wanted.project} ${wanted.version}.`,
      { hint: "Choose another index, or bring the wheel and name its folder with --from." },
    );
  }
  const fitting = candidates.filter(({ name }) =>
    name.platformTags.some((tag) => fitsTag(tag, platform)),
  );
  const [best] = fitting.toSorted(
    (a, b) =>
      compareVersions(b.name.version, a.name.version) ||
      pythonRank(b.name) - pythonRank(a.name) ||
      (a.name.fileName < b.name.fileName ? -1 : 1),
  );
  if (best !== undefined) return best.file;
  const machine = `${platform.platform}-${platform.architecture}`;
  const library =
    platform.platform === "linux" ? ` with glibc ${platform.glibcVersion ?? "missing"}` : "";
  throw new LatentSyncError(
    "unsupported",
    `${place} has no wheel of ${wanted.project} ${wanted.version} for ${machine}${library}.`,
    { hint: "Use another runtime on this machine." },
  );
}
