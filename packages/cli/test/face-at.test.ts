import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import type { VideoReader } from "@ls/core";
import { createVoice, synthesizeSpeech } from "@ls/synthetic";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createPictureVideo,
  writeVideo,
} from "@ls/video";
import { afterAll, beforeAll, expect, it } from "vitest";
import { position } from "../src/options.ts";
import { COUPLE_SIZE, drawCouple } from "./couple.ts";
import { run } from "./run.ts";

const { width: WIDTH } = COUPLE_SIZE;
const FRAMES = 5;

let folder: string;
let video: string;
let audio: string;

async function frames(path: string): Promise<Uint8Array[]> {
  await using reader: VideoReader = await createFfmpegVideoSource().open(path);
  const images: Uint8Array[] = [];
  for await (const decoded of reader.frames()) {
    using frame = decoded;
    images.push((await frame.toRgb()).data);
  }
  return images;
}

/** Columns where two pictures differ. */
function changedColumns(before: Uint8Array, after: Uint8Array): number[] {
  const columns = new Set<number>();
  for (const [index, value] of before.entries()) {
    if (value !== after[index]) columns.add(Math.floor(index / 3) % WIDTH);
  }
  return [...columns].toSorted((a, b) => a - b);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-face-at-"));
  video = join(folder, "couple.mkv");
  audio = join(folder, "speech.wav");
  const { samples, sampleRateHz } = synthesizeSpeech({
    text: "Tom",
    voice: createVoice(4),
    seconds: FRAMES / 25,
  });
  await writeWav(audio, samples, sampleRateHz);
  const source = createPictureVideo({
    ...COUPLE_SIZE,
    frameCount: FRAMES,
    picture: drawCouple,
  });
  const sink = createFfmpegVideoSink({ codec: "ffv1" });
  await writeVideo({ sink, path: video, source, audioPath: audio });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ["without --face-at the larger face speaks", [], 0, 320],
  ["--face-at lets the other face speak", ["--face-at", "80%,45%"], 350, 610],
] as const)("%s", async (_, more, left, right) => {
  const output = join(folder, `from-${left}.mkv`);
  const { code, stderr } = await run(
    ...["infer", "--video", video, "--audio", audio, "--out", output, "--codec", "ffv1"],
    ...["--model", "latentsync-demo", "--runtime", "cpu", "--inference-steps", "1", ...more],
  );
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.not.stringContaining("without a face") as unknown,
  });
  const [before, after] = [await frames(video), await frames(output)];
  for (const [index, image] of before.entries()) {
    const columns = changedColumns(image, after[index] as Uint8Array);
    expect(columns.length).toBeGreaterThan(20);
    expect(columns[0]).toBeGreaterThanOrEqual(left);
    expect(columns.at(-1)).toBeLessThan(right);
  }
});

it.each([
  ["0.25,0.5", { x: 0.25, y: 0.5 }],
  ["25%, 50%", { x: 0.25, y: 0.5 }],
  [".5,1", { x: 0.5, y: 1 }],
  ["0,100%", { x: 0, y: 1 }],
])("%s is a place in the picture", (text, expected) => {
  expect(position(text)).toEqual(expected);
});
