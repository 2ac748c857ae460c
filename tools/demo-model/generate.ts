/**
 * Makes the training data: windows of speech with the articulation that they were made from, and
 * short clips of talking heads, drawn straight into the model's aligned square.
 *
 *     node tools/demo-model/generate.ts DIR
 *
 * What is there already is kept.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { argv } from "node:process";
import { createInpaintingMask } from "@ls/video";
import { faceShardPath, writeFaceShard } from "./face-shard.ts";
import { writeNpy } from "./npy.ts";
import { FACES, SPEECH } from "./settings.ts";
import { readArticulations, speechShardPath, writeSpeechShard } from "./speech-shard.ts";

type Kind = "speech" | "faces";

interface Share {
  readonly folder: string;
  readonly part: number;
  readonly parts: number;
}

async function writeSpeech({ folder, part, parts }: Share): Promise<void> {
  const shards = SPEECH.windows / SPEECH.windowsPerShard;
  for (let shard = part; shard < shards; shard += parts) {
    if (!existsSync(speechShardPath(folder, shard))) await writeSpeechShard(folder, shard);
    process.stdout.write(`speech ${shard + 1} of ${shards}\n`);
  }
}

async function writeFaces({ folder, part, parts }: Share): Promise<void> {
  const windows = await readArticulations(folder);
  const shards = FACES.people / FACES.peoplePerShard;
  for (let shard = part; shard < shards; shard += parts) {
    if (!existsSync(faceShardPath(folder, shard))) await writeFaceShard(folder, shard, windows);
    process.stdout.write(`faces ${shard + 1} of ${shards}\n`);
  }
}

/** Runs one process per core. */
async function share(script: string, folder: string, kind: Kind): Promise<void> {
  await mkdir(join(folder, kind), { recursive: true });
  const parts = availableParallelism();
  const processes = Array.from({ length: parts }, (_, part) =>
    once(fork(script, [folder, kind, String(part), String(parts)]), "exit"),
  );
  for (const [code] of await Promise.all(processes)) {
    if (code !== 0) throw new Error(`A process that writes ${kind} stopped with ${code}.`);
  }
}

const [, script = "", folder, kind, part, parts] = argv;
if (folder === undefined) {
  throw new Error("usage: node generate.ts DIR");
} else if (kind === undefined) {
  await mkdir(folder, { recursive: true });
  const { resolution } = FACES;
  const mask = createInpaintingMask(resolution);
  await writeNpy(join(folder, "mask.npy"), mask, [resolution, resolution]);
  await share(script, folder, "speech");
  await share(script, folder, "faces");
} else {
  const work = { folder, part: Number(part), parts: Number(parts) };
  await (kind === "speech" ? writeSpeech(work) : writeFaces(work));
}
