/**
 * Publishes what is not on the registry yet. Provenance needs a `repository` that names the
 * repository the workflow runs in, so it is filled in here rather than fixed in the sources.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { publishedPackages, rootFolder, runTool } from "./workspace.ts";

const repository = process.env["GITHUB_REPOSITORY"];
if (repository === undefined) {
  throw new Error("GITHUB_REPOSITORY is not set: releases are published by the release workflow.");
}
for (const { folder } of publishedPackages()) {
  const path = join(folder, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  manifest["repository"] = {
    type: "git",
    url: `git+https://github.com/${repository}.git`,
    directory: relative(rootFolder, folder).replaceAll("\\", "/"),
  };
  writeFileSync(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
}
runTool("changeset", ["publish"], { packageName: "@changesets/cli" });
