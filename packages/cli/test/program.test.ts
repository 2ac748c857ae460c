/** The executable itself, before the command line is looked at. */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const PROGRAM = join(import.meta.dirname, "../bin/latentsync-ts.js");
const MANIFEST = join(import.meta.dirname, "../package.json");

/** Runs the program in a Node.js that takes itself for another version. */
function runAs(version: string): { status: number | null; stdout: string; stderr: string } {
  const versions = `{ ...process.versions, node: ${JSON.stringify(version)} }`;
  const disguise = `Object.defineProperty(process, "versions", { value: ${versions} });`;
  return spawnSync(
    process.execPath,
    [`--import=data:text/javascript,${encodeURIComponent(disguise)}`, PROGRAM, "--version"],
    { encoding: "utf8" },
  );
}

describe("the program's Node.js", () => {
  it.each(["20.20.2", "22.12.0"])("is refused at once if it is %s", async (version) => {
    const { engines } = JSON.parse(await readFile(MANIFEST, "utf8")) as {
      engines: { node: string };
    };
    expect(engines.node).toBe(">=22.13");
    const { status, stdout, stderr } = runAs(version);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(`needs Node.js 22.13 or newer, but this is ${version}`);
  });

  it.each(["22.13.0", "24.0.0"])("is taken if it is %s", (version) => {
    expect(runAs(version)).toMatchObject({ status: 0, stderr: "" });
  });
});
