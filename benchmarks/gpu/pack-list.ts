/**
 * Prints what git ignores and a run needs, one path a line: built packages, and the installed
 * dependencies of the program and of the conformance suites, for Linux on x64.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

interface LockEntry {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const ROOT = resolve(import.meta.dirname, "../..");
/** What the steps start. */
const ROOTS = ["packages/cli", "packages/testing", "benchmarks"] as const;
const PROGRAMS = ["node", "vitest", "onnxruntime-node"] as const;

const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, LockEntry>>;
};

/** Where Node.js finds a dependency of the package at `from`. */
function find(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    const path = folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (lock.packages[path] !== undefined) return path;
    if (folder === "") return undefined;
  }
}

/** Paths of all packages that some of them need, and what they need in turn. */
function closure(roots: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const waiting = [...roots];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const entry = lock.packages[path];
    if (entry === undefined || found.has(path)) continue;
    found.add(path);
    if (entry.link === true && entry.resolved !== undefined) waiting.push(entry.resolved);
    const needed = {
      ...entry.dependencies,
      ...entry.optionalDependencies,
      ...entry.peerDependencies,
    };
    for (const name of Object.keys(needed)) waiting.push(find(path, name) ?? "");
  }
  return found;
}

/** Files of other machines, which some packages carry. */
const FOREIGN = /\/napi-v6\/(?!linux\/x64\/)|\.map$|\.d\.ts$/u;

function filesOf(path: string): readonly string[] {
  const entry = lock.packages[path];
  if (entry?.link === true) return [path];
  if (!path.includes("node_modules/")) {
    return globSync("dist/**/*.js", { cwd: join(ROOT, path) }).map((file) => `${path}/${file}`);
  }
  return globSync("**/*", { cwd: join(ROOT, path), withFileTypes: true })
    .filter((file) => file.isFile() || file.isSymbolicLink())
    .map((file) => join(file.parentPath, file.name).slice(ROOT.length + 1))
    .filter((file) => !file.slice(path.length).includes("/node_modules/") && !FOREIGN.test(file));
}

const roots = [...ROOTS, ...PROGRAMS.map((name) => `node_modules/${name}`)];
for (const path of [...closure(roots)].toSorted()) {
  if (!existsSync(join(ROOT, path))) continue;
  for (const file of filesOf(path)) process.stdout.write(`${file}\n`);
}
