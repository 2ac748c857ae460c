import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

const NAME = "latentsync-ts";

export interface FolderOptions {
  /** Default: the process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: the process's own. */
  readonly platform?: NodeJS.Platform;
  /** The user's home folder; default: the system's. */
  readonly home?: string;
}

/**
 * Where graphs and what is remembered of files are kept: `LATENTSYNC_HOME`, else
 * `XDG_CACHE_HOME/latentsync-ts`, else the system's place for caches.
 */
export function cacheFolder(options: FolderOptions = {}): string {
  const { environment = process.env, platform = process.platform, home = homedir() } = options;
  const own = environment["LATENTSYNC_HOME"];
  if (own !== undefined && own !== "") return resolve(own);
  const xdg = environment["XDG_CACHE_HOME"];
  // The specification says that a relative path is to be ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, NAME);
  if (platform === "win32") {
    return join(environment["LOCALAPPDATA"] ?? join(home, "AppData", "Local"), NAME, "Cache");
  }
  if (platform === "darwin") return join(home, "Library", "Caches", NAME);
  return join(home, ".cache", NAME);
}

/**
 * Where what was installed is kept: `LATENTSYNC_HOME`, else `XDG_DATA_HOME/latentsync-ts`, else the
 * system's place for programs' data.
 */
export function dataFolder(options: FolderOptions = {}): string {
  const { environment = process.env, platform = process.platform, home = homedir() } = options;
  const own = environment["LATENTSYNC_HOME"];
  if (own !== undefined && own !== "") return resolve(own);
  const xdg = environment["XDG_DATA_HOME"];
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, NAME);
  if (platform === "win32") {
    return join(environment["LOCALAPPDATA"] ?? join(home, "AppData", "Local"), NAME, "Data");
  }
  if (platform === "darwin") return join(home, "Library", "Application Support", NAME);
  return join(home, ".local", "share", NAME);
}

/**
 * Where `latentsync-ts runtime install` puts a runtime's native libraries.
 * @param runtime its name, such as `cuda` or `openvino`.
 * @param version of the libraries.
 */
export function runtimeFolder(
  runtime: string,
  version: string,
  options: FolderOptions = {},
): string {
  return join(dataFolder(options), "runtimes", runtime, version);
}
