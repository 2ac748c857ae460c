/**
 * Runs the gates that a change must pass besides the tests.
 *
 *     npm run check            all of them
 *     npm run check -- lint    the named ones
 */
import { rmSync } from "node:fs";
import { checkLicences } from "./check-licences.ts";
import { checkLockfile } from "./check-lockfile.ts";
import {
  checkContents,
  checkInstalled,
  checkPublint,
  checkTypes,
  packAll,
  packFolder,
  type Tarball,
} from "./check-packed.ts";
import { checkReadmes } from "./check-readmes.ts";
import { runTool } from "./workspace.ts";

let packed: readonly Tarball[] | undefined;

function tarballs(): readonly Tarball[] {
  if (packed === undefined) {
    rmSync(packFolder, { recursive: true, force: true });
    packed = packAll(packFolder);
  }
  return packed;
}

function turbo(...args: string[]): void {
  runTool("turbo", args, { env: { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" } });
}

const GATES: Readonly<Record<string, () => void>> = {
  format: () => turbo("run", "format:check"),
  lint: () => turbo("run", "lint"),
  typecheck: () => turbo("run", "typecheck"),
  boundaries: () => turbo("boundaries"),
  knip: () => turbo("run", "knip"),
  lockfile: checkLockfile,
  licences: checkLicences,
  readmes: checkReadmes,
  contents: () => checkContents(tarballs()),
  publint: () => checkPublint(tarballs()),
  attw: () => checkTypes(tarballs()),
  packed: () => checkInstalled(tarballs()),
};

function main(names: readonly string[]): number {
  const unknown = names.filter((name) => !(name in GATES));
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(", ")}. Gates are ${Object.keys(GATES).join(", ")}.`);
    return 2;
  }
  const failed: string[] = [];
  const summary: string[] = [];
  for (const [name, run] of Object.entries(GATES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    console.log(`\n=== ${name}`);
    const startMs = performance.now();
    try {
      run();
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      failed.push(name);
    }
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    summary.push(`${failed.includes(name) ? "FAILED" : "ok    "} ${name} (${seconds} s)`);
  }
  console.log(`\n${summary.join("\n")}`);
  if (failed.length > 0) console.error(`\nFailed gates: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
