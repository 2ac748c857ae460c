/**
 * Checks that every package carries the project's licence, and that THIRD_PARTY_LICENSES.md names
 * every package that users install with it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { publishedPackages, rootFolder } from "./workspace.ts";

export function checkLicences(): void {
  const licence = readFileSync(join(rootFolder, "LICENSE"), "utf8");
  const thirdParty = readFileSync(join(rootFolder, "THIRD_PARTY_LICENSES.md"), "utf8");
  const packages = publishedPackages();
  const own = new Set(packages.map(({ manifest }) => manifest.name));
  const problems: string[] = [];
  for (const { folder, manifest } of packages) {
    const path = join(folder, "LICENSE");
    if (!existsSync(path) || readFileSync(path, "utf8") !== licence) {
      problems.push(`${path} is not a copy of the root's LICENSE`);
    }
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (own.has(name) || thirdParty.includes(`\`${name}\``)) continue;
      const text = `THIRD_PARTY_LICENSES.md does not name ${name}, a dependency of ${manifest.name}`;
      problems.push(text);
    }
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  console.log(`${packages.length} packages carry the licence; all dependencies are named`);
}
