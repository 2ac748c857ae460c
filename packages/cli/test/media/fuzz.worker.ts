/** Reads mutants as video and as speech, and says of each what came of it: a process of its own. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { decodeSpeech } from "@ls/audio";
import { LatentSyncError } from "@ls/core";
import { createFfmpegVideoSource } from "@ls/video";
import { mutantOf } from "./fuzz-mutants.ts";

/** What a mutant came to: `read`, a code of a `LatentSyncError`, or what should not have been thrown. */
export interface FuzzLine {
  readonly index: number;
  readonly name: string;
  readonly mutations: readonly string[];
  readonly video?: string;
  readonly speech?: string;
  readonly seconds?: number;
  /** The most memory that the process has held so far. */
  readonly peakMib?: number;
}

const MAX_FRAMES = 40;
const MAX_BLOCKS = 60;

const [seedFolder = "", workFolder = "", ...numbers] = process.argv.slice(2);
const [campaign = 0, first = 0, count = 0] = numbers.map(Number);

async function outcomeOf(work: () => Promise<void>): Promise<string> {
  try {
    await work();
    return "read";
  } catch (error) {
    if (LatentSyncError.is(error)) return error.code;
    return `not typed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

async function readVideo(path: string): Promise<void> {
  await using reader = await createFfmpegVideoSource().open(path);
  for await (const decoded of reader.frames({ end: MAX_FRAMES })) {
    using frame = decoded;
    await frame.toRgb({ x: 0, y: 0, width: 1, height: 1 });
  }
}

async function readSpeech(path: string): Promise<void> {
  let blocks = 0;
  for await (const _ of decodeSpeech(path)) {
    blocks += 1;
    if (blocks === MAX_BLOCKS) return;
  }
}

const print = (line: FuzzLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const names = (await readdir(seedFolder)).toSorted();
const seeds = await Promise.all(
  names.map(async (name) => ({ name, bytes: await readFile(join(seedFolder, name)) })),
);
for (let index = first; index < first + count; index++) {
  const { name, mutations, bytes } = mutantOf(seeds, campaign, index);
  const path = join(workFolder, `mutant-${first}${extname(name)}`);
  await writeFile(path, bytes);
  print({ index, name, mutations });
  const startMs = performance.now();
  const video = await outcomeOf(() => readVideo(path));
  const speech = await outcomeOf(() => readSpeech(path));
  const seconds = Math.round(performance.now() - startMs) / 1000;
  const peakMib = Math.round(process.resourceUsage().maxRSS / 1024);
  print({ index, name, mutations, video, speech, seconds, peakMib });
}
