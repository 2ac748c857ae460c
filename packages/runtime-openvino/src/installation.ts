/** Where OpenVINO may be installed, and what of it is there. Looks at folders and starts nothing. */
import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { runtimeFolder } from "@ls/files";
import type { LibraryCandidate } from "./open-library.ts";
import { OPENVINO_VERSION } from "./wheel.ts";

/** The machine as far as the search looks at it. */
export interface SearchOptions {
  /** Default: the process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: the process's own. */
  readonly platform?: NodeJS.Platform;
  /** The user's home folder; default: the system's. */
  readonly home?: string;
  /** Where system-wide installations start; default: `/`. */
  readonly root?: string;
}

/** The environment variable that names the folder to use. */
const FOLDER_VARIABLE = "LATENTSYNC_OPENVINO";

/** A kind of installation, and its folders; `*` stands for any name or a part of one. */
interface Place {
  readonly name: string;
  readonly folders: readonly string[];
}

interface Search extends Required<SearchOptions> {
  /** A variable's value, if it is set. */
  readonly variable: (name: string) => string | undefined;
}

/** Within a folder that a person names: a wheel's, an archive's, or the libraries' own. */
const INSIDE = [
  ".",
  "libs",
  "openvino/libs",
  "lib",
  "Library/bin",
  "runtime/lib/intel64",
  "runtime/lib/aarch64",
  "runtime/lib/arm64/Release",
  "runtime/bin/intel64/Release",
] as const;

const LIBRARY_NAMES: Readonly<Partial<Record<NodeJS.Platform, RegExp>>> = {
  linux: /^libopenvino_c\.so(?:\.[\d.]+)?$/u,
  darwin: /^libopenvino_c(?:\.[\d.]+)?\.dylib$/u,
  win32: /^openvino_c\.dll$/u,
};

function inside(name: string, folder: string): Place {
  return { name, folders: INSIDE.map((part) => join(folder, part)) };
}

/** The `site-packages` of a Python that is installed at `prefix`. */
function sitePackages(prefix: string, platform: NodeJS.Platform): readonly string[] {
  if (platform === "win32") return [join(prefix, "Lib", "site-packages")];
  return ["lib/python3*/site-packages", "lib/python3*/dist-packages"].map((part) =>
    join(prefix, part),
  );
}

function python(name: string, prefix: string, platform: NodeJS.Platform): Place {
  return { name, folders: sitePackages(prefix, platform).map((it) => join(it, "openvino/libs")) };
}

function pythonPlaces({ variable, platform, home, root }: Search): readonly Place[] {
  const virtual = variable("VIRTUAL_ENV");
  const conda = variable("CONDA_PREFIX");
  const places: Place[] = [];
  if (virtual !== undefined) places.push(python("VIRTUAL_ENV", virtual, platform));
  if (conda !== undefined) {
    places.push(python("CONDA_PREFIX", conda, platform), inside("CONDA_PREFIX", conda));
  }
  if (platform === "win32") {
    const roaming = variable("APPDATA") ?? join(home, "AppData", "Roaming");
    const folder = join(roaming, "Python", "Python3*", "site-packages", "openvino", "libs");
    return [...places, { name: "the user's Python", folders: [folder] }];
  }
  const user = platform === "darwin" ? "Library/Python/3*/lib/python" : ".local/lib/python3*";
  return [
    ...places,
    { name: "the user's Python", folders: [join(home, user, "site-packages/openvino/libs")] },
    python("the system's Python", join(root, "usr/local"), platform),
    python("the system's Python", join(root, "usr"), platform),
  ];
}

function systemPlaces({ variable, platform, root }: Search): readonly Place[] {
  const named = variable("INTEL_OPENVINO_DIR");
  const places = named === undefined ? [] : [inside("INTEL_OPENVINO_DIR", named)];
  if (platform === "win32") return places;
  const folders = [
    "opt/homebrew/lib",
    "usr/local/lib",
    "usr/lib/*-linux-gnu",
    "usr/lib64",
    "usr/lib",
  ];
  return [
    ...places,
    inside("Intel's archive", join(root, "opt/intel/openvino*")),
    { name: "the system", folders: folders.map((folder) => join(root, folder)) },
  ];
}

function placesOf(search: Search): readonly Place[] {
  const { environment, platform, home } = search;
  const named = search.variable(FOLDER_VARIABLE);
  if (named !== undefined) return [inside(FOLDER_VARIABLE, named)];
  const own = runtimeFolder("openvino", OPENVINO_VERSION, { environment, platform, home });
  return [
    inside("latentsync-ts runtime install openvino", own),
    ...pythonPlaces(search),
    ...systemPlaces(search),
  ];
}

/** Names in a folder; none if it cannot be read. */
function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The existing folders that a pattern stands for, the highest version first. */
function expand(pattern: string): readonly string[] {
  const parts = pattern.split(/[\\/]/u);
  const first = parts.findIndex((part) => part.includes("*"));
  if (first === -1) return [pattern];
  const [before = "", after = ""] = (parts[first] ?? "").split("*");
  const folder = parts.slice(0, first).join("/");
  return entries(`${folder}/`)
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .toSorted((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .flatMap((name) => expand([folder, name, ...parts.slice(first + 1)].join("/")));
}

function librariesIn(place: Place, platform: NodeJS.Platform): readonly LibraryCandidate[] {
  const name = LIBRARY_NAMES[platform];
  if (name === undefined) return [];
  return place.folders.flatMap(expand).flatMap((folder) => {
    // Of several names for one library the longest says its version.
    const found = entries(folder)
      .filter((entry) => name.test(entry))
      .toSorted((a, b) => b.length - a.length);
    return found.slice(0, 1).map((entry) => ({ place: place.name, path: join(folder, entry) }));
  });
}

/**
 * OpenVINO libraries of this machine in order of preference: of the folder that
 * `LATENTSYNC_OPENVINO` names and no other, or else what latentsync-ts installed, what Python has,
 * and what the system has.
 * @throws LatentSyncError `unsupported` with the places that were looked at if there is none.
 */
export function findLibraries(options: SearchOptions = {}): readonly LibraryCandidate[] {
  const { environment = process.env, platform = process.platform } = options;
  const { home = homedir(), root = "/" } = options;
  const variable = (name: string): string | undefined => {
    const value = environment[name];
    return value === "" ? undefined : value;
  };
  const searched = placesOf({ environment, platform, home, root, variable });
  const found = searched.flatMap((place) => librariesIn(place, platform));
  if (found.length > 0) return found;
  const looked = searched.map(({ name, folders }) => `${name} (${folders[0] ?? "nowhere"})`);
  throw new LatentSyncError(
    "unsupported",
    `The openvino runtime is not available: no OpenVINO library was found in ${looked.join(", ")}.`,
    {
      hint:
        "Run `latentsync-ts runtime install openvino` or `pip install openvino`, or name its folder in " +
        `${FOLDER_VARIABLE}; or use the cpu runtime.`,
    },
  );
}
