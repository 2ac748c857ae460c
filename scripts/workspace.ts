/** What the scripts share: the packages of the workspace, and running commands on every platform. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

export const rootFolder: string = resolve(import.meta.dirname, "..");

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly bin?: string | Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  /** Patterns of folders; the root has them. */
  readonly workspaces: readonly string[];
}

export interface Package {
  readonly folder: string;
  readonly manifest: Manifest;
}

export function readManifest(folder: string): Manifest {
  const text = readFileSync(join(folder, "package.json"), "utf8");
  return { workspaces: [], ...(JSON.parse(text) as Omit<Manifest, "workspaces">) };
}

/** Packages of the workspace that are published, in the order of their folders. */
export function publishedPackages(): Package[] {
  return readManifest(rootFolder)
    .workspaces.flatMap((pattern) => globSync(`${pattern}/package.json`, { cwd: rootFolder }))
    .toSorted()
    .map((path) => {
      const folder = join(rootFolder, dirname(path));
      return { folder, manifest: readManifest(folder) };
    })
    .filter(({ manifest }) => manifest.private !== true);
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Return standard output instead of showing it. */
  readonly capture?: boolean;
  /** The Node to run on; the one that runs this script if not given. */
  readonly node?: string;
}

/** Runs a script on Node. @throws Error with the command and its status if it fails. */
export function runNode(script: string, args: readonly string[], options: RunOptions = {}): string {
  const node = options.node ?? process.execPath;
  // Commands that the script starts look Node up on the PATH, which Windows spells Path.
  const pathName = Object.keys(process.env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  const path = `${dirname(node)}${delimiter}${process.env[pathName] ?? ""}`;
  const result: SpawnSyncReturns<string> = spawnSync(node, [script, ...args], {
    cwd: options.cwd ?? rootFolder,
    env: { ...process.env, [pathName]: path, ...options.env },
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", options.capture === true ? "pipe" : "inherit", "inherit"],
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    process.stdout.write(result.stdout ?? "");
    throw new Error(`${[script, ...args].join(" ")} ended with ${result.status ?? result.signal}`);
  }
  return result.stdout ?? "";
}

/** Runs a command of a development dependency, such as `publint`. */
export function runTool(
  name: string,
  args: readonly string[],
  options?: RunOptions & { readonly packageName?: string },
): string {
  const packageName = options?.packageName ?? name;
  const folder = join(rootFolder, "node_modules", packageName);
  const { bin } = readManifest(folder);
  const path = typeof bin === "string" ? bin : bin?.[name];
  if (path === undefined) throw new Error(`${packageName} has no command ${name}`);
  return runNode(join(folder, path), args, options);
}

/** Runs the npm that started this script. */
export function runNpm(args: readonly string[], options?: RunOptions): string {
  const npm = process.env["npm_execpath"];
  if (npm === undefined) throw new Error("npm is not known: start this script with `npm run`.");
  return runNode(npm, args, options);
}
