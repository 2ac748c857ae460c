import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import {
  type DemoModelFile,
  demoModelFolder,
  type DemoModelManifest,
  type DemoModelOptions,
  readDemoModelManifest,
  REINSTALL,
} from "./manifest.ts";

/**
 * Reads every file of the model and compares size and SHA-256 with the manifest.
 * @returns the manifest that all files agree with.
 * @throws LatentSyncError `invalid_model` that lists the files that are missing or damaged, as
 *   {@link readDemoModelManifest}, or the signal's reason on abort.
 */
export async function verifyDemoModel(options: DemoModelOptions = {}): Promise<DemoModelManifest> {
  const { folder = demoModelFolder(), signal } = options;
  const manifest = await readDemoModelManifest(options);
  const problems: string[] = [];
  for (const file of manifest.files) {
    const problem = await findProblem(folder, file, signal);
    if (problem !== undefined) problems.push(`\n  ${file.path}: ${problem}`);
  }
  if (problems.length === 0) return manifest;
  throw new LatentSyncError(
    "invalid_model",
    `${problems.length} of ${manifest.files.length} files of the demo model in ${folder} are damaged:${problems.join("")}`,
    { hint: REINSTALL },
  );
}

/** What is wrong with a file; undefined if it is as it should be. */
async function findProblem(
  folder: string,
  expected: DemoModelFile,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(join(folder, expected.path))) {
      signal?.throwIfAborted();
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    signal?.throwIfAborted();
    return `cannot be read (${error instanceof Error ? error.message : String(error)})`;
  }
  if (bytes !== expected.bytes) return `has ${bytes} bytes, expected ${expected.bytes}`;
  const sha256 = hash.digest("hex");
  return sha256 === expected.sha256
    ? undefined
    : `has SHA-256 ${sha256}, expected ${expected.sha256}`;
}
