/** `--start` and `--end` with `--loop` and `--fps`: which frames of the source are shown, and when. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import type { LoopMode, VideoReader } from "@ls/core";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createPictureVideo,
  writeVideo,
} from "@ls/video";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseInferOptions } from "../src/infer-arguments.ts";
import { engineOptionsOf, runInferJob } from "../src/infer-job.ts";
import { load, type LoadedEngine } from "../src/load.ts";
import { QUICK } from "./media/short-clip.ts";

const SIZE = { width: 160, height: 160 } as const;
const FRAMES = 24;
const RATE = 30;
/** Of 24 frames of 30 a second: frames 6 to 11. */
const PART = { start: 0.2, end: 0.4 } as const;
/** What the model makes of half a second of speech: 14 frames of 25 a second, as long as 17 of 30. */
const PICTURES = 17;
/** Brightness tells which frame it is. */
const STEP = 8;

let folder: string;
let engine: LoadedEngine;
let inputs: Readonly<Record<string, string>>;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-part-"));
  for (const [name, seconds] of [
    ["long.wav", 0.5],
    ["short.wav", 0.12],
  ] as const) {
    await writeWav(file(name), new Float32Array(16_000 * seconds), 16_000);
  }
  const source = createPictureVideo({
    ...SIZE,
    frameCount: FRAMES,
    framesPerSecond: RATE,
    picture: (index) => ({ ...SIZE, data: new Uint8Array(160 * 160 * 3).fill(20 + STEP * index) }),
  });
  const sink = createFfmpegVideoSink({ codec: "ffv1" });
  await writeVideo({ sink, path: file("grey.mkv"), source, audioPath: file("long.wav") });
  const face = [
    [60, 60],
    [100, 60],
    [80, 90],
  ];
  const points = Array.from({ length: FRAMES }, () => face);
  const order = ["left_brow", "right_brow", "nose"];
  await writeFile(file("points.json"), JSON.stringify({ order, points }));
  inputs = { video: file("grey.mkv"), landmarks: file("points.json"), codec: "ffv1" };
  const flags = parseInferOptions({ ...inputs, ...QUICK, audio: "", out: "" });
  engine = await load(engineOptionsOf(flags));
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Which frames of the source the output shows, and at what times in 1/30 s. */
async function shown(
  more: Readonly<Record<string, unknown>>,
): Promise<{ readonly frames: readonly number[]; readonly ticks: readonly number[] }> {
  const out = file("out.mkv");
  const given = { ...inputs, audio: file("long.wav"), ...QUICK, "guidance-scale": 1, ...more, out };
  const flags = parseInferOptions(given);
  const { signal } = new AbortController();
  for await (const _ of runInferJob(engine, { flags, given, seed: 1, signal }));
  await using reader: VideoReader = await createFfmpegVideoSource({
    framesPerSecond: "source",
  }).open(out);
  const frames: number[] = [];
  const ticks: number[] = [];
  for await (const decoded of reader.frames()) {
    using frame = decoded;
    frames.push(Math.round((((await frame.toRgb()).data[0] ?? 0) - 20) / STEP));
    ticks.push(Math.round(frame.timeSeconds * RATE * 100) / 100);
  }
  return { frames, ticks };
}

const forth = [6, 7, 8, 9, 10, 11];
const back = forth.toReversed();
const held = Array.from({ length: PICTURES }, () => 11);

it.each<readonly [LoopMode, readonly number[]]>([
  ["pingpong", [...forth, ...back, ...forth].slice(0, PICTURES)],
  ["loop", [...forth, ...forth, ...forth].slice(0, PICTURES)],
  ["freeze", [...forth, ...held].slice(0, PICTURES)],
  ["cut", forth],
])("--loop %s with every frame of a part, at its time", async (loop, expected) => {
  const { frames, ticks } = await shown({ ...PART, loop, fps: "source" });
  expect(frames).toEqual(expected);
  // Matroska's clock ticks 1000 times a second.
  for (const [index, tick] of ticks.entries()) {
    expect(Math.abs(tick - index), `${index}`).toBeLessThan(0.05);
  }
});

it("--loop silence plays the part to its end, and no further", async () => {
  const speech = { audio: file("short.wav") };
  const { frames } = await shown({ ...PART, ...speech, loop: "silence", fps: "source" });
  expect(frames).toEqual(forth);
});

it("a part is played back and forth at 25 frames a second, too", async () => {
  const { frames, ticks } = await shown(PART);
  const [first, second] = [frames.slice(0, 5), frames.slice(5, 10)];
  expect(first).toEqual([6, 7, 8, 10, 11]);
  expect(second).toEqual(first.toReversed());
  expect(ticks.slice(0, 3)).toEqual([0, 1.2, 2.4]);
});
