/** Loads the first of several OpenVINO libraries that can be used. */
import { LatentSyncError } from "@ls/core";
import { OpenVinoLibrary } from "./library.ts";

/** A library that was found. */
export interface LibraryCandidate {
  /** Where it was found, as people know the place. */
  readonly place: string;
  readonly path: string;
}

/** Years of releases whose C API is known to be as `library.ts` has it. */
const OLDEST_YEAR = 2025;
const NEWEST_YEAR = 2026;

const SUPPORTED_VERSIONS = `${OLDEST_YEAR}.0 to ${NEWEST_YEAR}.x`;

export interface OpenedLibrary {
  readonly library: OpenVinoLibrary;
  readonly path: string;
  /** Such as `2026.4.1`. */
  readonly version: string;
}

/** The release of a build number such as `2026.4.1-22982-e213a147257-releases/2026/4`. */
export function releaseOf(buildNumber: string): string {
  return /^\d+(?:\.\d+)*/u.exec(buildNumber)?.[0] ?? buildNumber;
}

/** @returns why a release cannot be used, or undefined if it can. */
export function versionProblem(release: string): string | undefined {
  const year = Number.parseInt(release, 10);
  if (year >= OLDEST_YEAR && year <= NEWEST_YEAR) return undefined;
  return `it is OpenVINO ${release}, and ${SUPPORTED_VERSIONS} are supported`;
}

function open(candidate: LibraryCandidate): OpenedLibrary | string {
  try {
    const library = new OpenVinoLibrary(candidate.path);
    const version = releaseOf(library.version());
    return versionProblem(version) ?? { library, path: candidate.path, version };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return `it cannot be loaded: ${text.replaceAll(/\s+/gu, " ").trim()}`;
  }
}

/** @throws LatentSyncError `unsupported` with what is wrong with each of them. */
export function openLibrary(candidates: readonly LibraryCandidate[]): OpenedLibrary {
  const problems: string[] = [];
  for (const candidate of candidates) {
    const opened = open(candidate);
    if (typeof opened !== "string") return opened;
    problems.push(`${candidate.path} (${candidate.place}): ${opened}.`);
  }
  throw new LatentSyncError(
    "unsupported",
    `The openvino runtime is not available. ${problems.join(" ")}`,
    { hint: "Run `latentsync-ts runtime install openvino`, or use the cpu runtime." },
  );
}
