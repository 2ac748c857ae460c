/** `--resume`: finished segments are kept beside the output until it is complete. */
import { createHash } from "node:crypto";
import { readdir, rm, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { SegmentStore } from "@ls/core";
import { createSegmentFolder } from "@ls/models";
import type { Command } from "commander";
import type { RunDescription } from "./manifest.ts";

/** What commander makes of {@link addResumeOption}. */
export interface ResumeFlags {
  readonly resume?: boolean;
}

export function addResumeOption(command: Command): Command {
  return command.option(
    "--resume",
    "keep what is finished in OUT.segments until the video is complete, and go on from there after a stop",
  );
}

/** Options that the segments do not depend on: where results go, and how they are encoded. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "out",
  "codec",
  "crf",
  "frames-out",
  "trace",
  "manifest",
  "resume",
  "memory-check",
  "c2pa-cert",
  "c2pa-key",
]);

export interface KeptSegments {
  readonly store: SegmentStore;
  /** Folder of this run's segments. */
  readonly folder: string;
  /** How many segments an earlier run has left, as far as file names tell. */
  readonly found: number;
  /** The output is complete: removes the segments. */
  remove(): Promise<void>;
}

/**
 * Opens the segments of one run. They lie in `OUT.segments/HASH`, where the hash is over all that they
 * depend on: inputs, model, settings, seed, runtime, hardware and versions. A run with other settings
 * therefore neither takes nor loses what this one has made.
 */
export async function openKeptSegments(output: string, run: RunDescription): Promise<KeptSegments> {
  const identity = identityOf(run);
  const parent = `${resolve(output)}.segments`;
  const folder = join(parent, identity.slice(0, HASH_LENGTH));
  const names = await readdir(folder).catch(() => []);
  return {
    store: createSegmentFolder({ folder, fingerprint: { run: identity } }),
    folder,
    found: names.filter((name) => name.endsWith(".latents")).length,
    remove: () => removeSegments(parent),
  };
}

const HASH_LENGTH = 16;

function identityOf({ options, inputs, ...rest }: RunDescription): string {
  const settings = Object.entries(options)
    // A file is its content, and the model its hash, wherever they lie.
    .filter(([name]) => !WITHOUT_EFFECT.has(name) && !(name in inputs) && name !== "model")
    // A number of a batch's line is the command line's text.
    .map(([name, value]) => [name, String(value)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const contents = Object.entries(inputs).map(([name, { sha256 }]) => [name, sha256] as const);
  const text = JSON.stringify([rest, settings, contents.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
  return createHash("sha256").update(text).digest("hex");
}

/** Removes what this program has put there, also for other settings, and nothing else. */
async function removeSegments(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    if (!/^[0-9a-f]{16}$/.test(name)) continue;
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 });
  }
  await rmdir(parent).catch(() => undefined);
}
