import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { writeWav } from "@ls/audio";
import type { LipSyncEvent } from "@ls/core";
import { createVoice, synthesizeSpeech } from "@ls/synthetic";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";
import { describe, expect, test } from "vitest";
import { createDemoClip, writeDemoClip } from "../../src/demo/demo-clip.ts";
import { COUPLE_SIZE, drawCouple } from "../couple.ts";
import { QUICK_ARGUMENTS } from "../media/short-clip.ts";
import { PROGRAM } from "../run.ts";
import { record } from "./figures.ts";

const SECONDS = 5;
const COUPLE_SECONDS = 2;

interface Start {
  readonly exitCode: number | null;
  readonly denoised: number;
  readonly restored: number;
}

/** Runs the program; it is killed when it has begun the chunk after `newChunks` of its own. */
async function start(args: readonly string[], newChunks: number): Promise<Start> {
  const child = spawn(process.execPath, [PROGRAM, ...args, "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const closed = once(child, "close");
  let [denoised, restored] = [0, 0];
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as LipSyncEvent;
    if (event.type !== "chunk") continue;
    if (event.restored === true) restored += 1;
    else denoised += 1;
    if (denoised > newChunks) child.kill("SIGKILL");
  }
  await closed;
  return { exitCode: child.exitCode, denoised, restored };
}

interface Clip {
  readonly video: string;
  readonly speech: string;
}

type Figures = {
  readonly chunks: number;
  readonly kills: number;
  readonly chunksDenoisedInAll: number;
  readonly chunksRestoredByTheLast: number;
  readonly sameBytes: boolean;
  readonly segmentFoldersLeft: number;
};

/** Kills a run after every two new chunks until one ends, and compares it with a whole run. */
async function killAndGoOn(folder: string, clip: Clip, more: readonly string[]): Promise<Figures> {
  const inputs = ["--video", clip.video, "--audio", clip.speech, ...more];
  const infer = ["infer", ...inputs, ...QUICK_ARGUMENTS, "--out"];
  const whole = await start([...infer, join(folder, "whole.mp4")], Infinity);
  const starts: Start[] = [];
  do {
    starts.push(await start([...infer, join(folder, "out.mp4"), "--resume"], 2));
  } while (starts.at(-1)?.exitCode !== 0 && starts.length < whole.denoised);
  const [expected, actual] = await Promise.all(
    ["whole.mp4", "out.mp4"].map((name) => readFile(join(folder, name))),
  );
  const left = (await readdir(folder)).filter((name) => name.includes("segments"));
  return {
    chunks: whole.denoised,
    kills: starts.length - 1,
    chunksDenoisedInAll: starts.reduce((sum, { denoised }) => sum + denoised, 0),
    chunksRestoredByTheLast: starts.at(-1)?.restored ?? 0,
    sameBytes: actual?.equals(expected as Buffer) ?? false,
    segmentFoldersLeft: left.length,
  };
}

async function writePerson(clip: Clip): Promise<void> {
  const made = createDemoClip({ text: "Bring my map, Tom.", seconds: SECONDS, seed: 2 });
  await writeDemoClip(made, clip, new AbortController().signal);
}

async function writeCouple({ video, speech }: Clip): Promise<void> {
  const voice = createVoice(4);
  const spoken = synthesizeSpeech({ text: "Bring my map, Tom.", voice, seconds: COUPLE_SECONDS });
  await writeWav(speech, spoken.samples, spoken.sampleRateHz);
  const source = createPictureVideo({
    ...COUPLE_SIZE,
    frameCount: COUPLE_SECONDS * 25,
    picture: drawCouple,
  });
  await writeVideo({ sink: createFfmpegVideoSink(), path: video, source, audioPath: speech });
}

describe("row 42: a run that is killed again and again", () => {
  test.each([
    [`${SECONDS} s of a drawn person`, [], writePerson],
    [`${COUPLE_SECONDS} s of two drawn people, --face all`, ["--face", "all"], writeCouple],
  ] as const)("%s", { timeout: 3600 * 1000 }, async (input, more, write) => {
    const folder = await mkdtemp(join(tmpdir(), "latentsync-resume-"));
    try {
      const clip = { video: join(folder, "face.mp4"), speech: join(folder, "speech.wav") };
      await write(clip);
      const figures = await killAndGoOn(folder, clip, more);
      const passed = figures.kills > 0 && figures.sameBytes && figures.segmentFoldersLeft === 0;
      await record({
        row: 42,
        input: `${input}, killed (SIGKILL) after every two new chunks`,
        what: "--resume goes on, to the bytes of a run that was never stopped, and leaves no segments",
        figures,
        passed,
      });
      expect(passed).toBe(true);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
