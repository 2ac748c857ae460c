import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ImagePatch, VideoFrame } from "@ls/core";
import { FF_ENCODER_FFV1 } from "node-av/constants";
import { expect, it } from "vitest";
import { createFfmpegVideoSink, type FfmpegVideoSinkOptions } from "../src/ffmpeg/index.ts";
import { copyVideo, useFolder, writeVideo, writeWav } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const RUNS = 12;

/** Noise that moves, so that every macroblock has its own price. */
function texture(component: number, x: number, y: number, index: number): number {
  const value = Math.sin((x + 2 * index) * 12.9898 + y * 78.233 + component) * 43_758.5453;
  return 40 + 170 * (value - Math.floor(value));
}

/** Hashes of the files that the same frames gave, one after the other, some at their leisure. */
async function hashesOf(
  frameCount: number,
  options: FfmpegVideoSinkOptions,
): Promise<ReadonlySet<string>> {
  const input = await writeVideo({
    path: file("input.mkv"),
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    // Four macroblocks a row are less than one vector of x264's AVX-512 code, whose results then vary.
    width: 64,
    height: 64,
    frameCount,
    pattern: texture,
  });
  const audioPath = await writeWav(file("sound.wav"), { seconds: 3 });
  const sink = createFfmpegVideoSink(options);
  const hashes = new Set<string>();
  for (let round = 0; round < RUNS; round++) {
    const edit = async ({ index }: VideoFrame): Promise<readonly ImagePatch[]> => {
      if (round % 2 === 1 && index % 20 === round) await sleep(5);
      return [];
    };
    const path = file(`output-${round}.mp4`);
    const bytes = await readFile(await copyVideo(input, { sink, path, audioPath, edit }));
    hashes.add(createHash("sha256").update(bytes).digest("hex"));
  }
  return hashes;
}

it("writes the same h264 file for the same frames, however fast they come", async () => {
  expect((await hashesOf(60, {})).size).toBe(1);
});

it.each([1, 2, 3])("writes the same hevc file for %i of the same frames", async (frameCount) => {
  expect((await hashesOf(frameCount, { codec: "hevc", preset: "ultrafast" })).size).toBe(1);
});
