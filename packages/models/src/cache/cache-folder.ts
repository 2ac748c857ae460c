import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

const NAME = "latentsync-ts";

export interface CacheFolderOptions {
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
export function cacheFolder(options: CacheFolderOptions = {}): string {
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
