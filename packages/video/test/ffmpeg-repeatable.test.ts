import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { FF_ENCODER_FFV1 } from "node-av/constants";
import { expect, it } from "vitest";
import { createFfmpegVideoSink, createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { useFolder, writeVideo, writeWav } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const FRAMES = 60;
const RUNS = 12;

/** Noise that moves, so that every macroblock has its own price. */
function texture(component: number, x: number, y: number, index: number): number {
  const value = Math.sin((x + 2 * index) * 12.9898 + y * 78.233 + component) * 43_758.5453;
  return 40 + 170 * (value - Math.floor(value));
}

// Four macroblocks a row are less than one vector of x264's AVX-512 code, whose results then vary.
it("writes the same h264 file for the same frames, however fast they come", async () => {
  const input = await writeVideo({
    path: file("input.mkv"),
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    width: 64,
    height: 64,
    frameCount: FRAMES,
    pattern: texture,
  });
  const audioPath = await writeWav(file("sound.wav"), {
    sampleRateHz: 16_000,
    channels: 1,
    seconds: 3,
  });
  const hashes = new Set<string>();
  for (let round = 0; round < RUNS; round++) {
    await using reader = await createFfmpegVideoSource().open(input);
    const path = file(`output-${round}.mp4`);
    await using writer = await createFfmpegVideoSink().create({ path, source: reader, audioPath });
    for await (const decoded of reader.frames()) {
      using frame = decoded;
      if (round % 2 === 1 && frame.index % 20 === round) await sleep(5);
      await writer.write(frame);
    }
    await writer.finish();
    hashes.add(
      createHash("sha256")
        .update(await readFile(path))
        .digest("hex"),
    );
  }
  expect(hashes.size).toBe(1);
});
