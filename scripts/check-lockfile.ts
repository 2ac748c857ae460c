/**
 * Checks that the lock file holds the binaries of every platform: where a registry lacked one when
 * the lock file was made, npm leaves it out without a word, and `npm ci` refuses elsewhere.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rootFolder } from "./workspace.ts";

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export function checkLockfile(): void {
  const lockfile = JSON.parse(readFileSync(join(rootFolder, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockedPackage>;
  };
  const problems: string[] = [];
  let optionalCount = 0;
  for (const [path, locked] of Object.entries(lockfile.packages)) {
    for (const name of Object.keys(locked.optionalDependencies ?? {})) {
      optionalCount += 1;
      if (!resolves(lockfile.packages, path, name)) {
        problems.push(`${path}@${locked.version ?? ""} lacks ${name}`);
      }
    }
    const installed = path.includes("node_modules/") && locked.link !== true;
    if (installed && locked.integrity === undefined) problems.push(`${path} has no integrity`);
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const total = Object.keys(lockfile.packages).length;
  console.log(`${total} packages, all ${optionalCount} optional dependencies present`);
}

/** Node's lookup: the package's own node_modules, then those of every folder above. */
function resolves(
  packages: Readonly<Record<string, LockedPackage>>,
  from: string,
  name: string,
): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    if (packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`] !== undefined) {
      return true;
    }
    if (folder === "") return false;
  }
}
