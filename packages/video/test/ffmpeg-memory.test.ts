import { FF_ENCODER_LIBX264 } from "node-av/constants";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSink, createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { firstFrame, useFolder, writeVideo, writeWav } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const source = createFfmpegVideoSource();
const MEBIBYTE = 1 << 20;

function video(name: string, frameCount: number, width: number, height: number): Promise<string> {
  return writeVideo({
    path: file(name),
    encoder: FF_ENCODER_LIBX264,
    format: "yuv420p",
    width,
    height,
    frameCount,
    pattern: (component, x, y, index) => (component * 40 + x + y + index) & 0xff,
    settings: { preset: "ultrafast" },
  });
}

function residentBytes(): number {
  return process.memoryUsage.rss();
}

describe("memory", () => {
  it("comes back from readers and frames that were disposed", async () => {
    const path = await video("small.mp4", 12, 320, 240);
    const openAndClose = async (): Promise<void> => {
      await using reader = await source.open(path);
      using frame = await firstFrame(reader);
      using clone = frame.clone();
      expect((await clone.toRgb()).data).toHaveLength(320 * 240 * 3);
    };
    for (let round = 0; round < 40; round++) await openAndClose();
    const before = residentBytes();
    for (let round = 0; round < 200; round++) await openAndClose();
    // 200 leaked pictures alone would be 70 MiB, decoders much more.
    expect(residentBytes() - before).toBeLessThan(48 * MEBIBYTE);
  });

  it("comes back from writers that were abandoned or finished", async () => {
    const path = await video("source.mp4", 4, 320, 240);
    const audioPath = await writeWav(file("s.wav"), { seconds: 1 });
    const sink = createFfmpegVideoSink({ preset: "ultrafast" });
    const write = async (finish: boolean): Promise<void> => {
      await using reader = await source.open(path);
      await using writer = await sink.create({ path: file("o.mp4"), source: reader, audioPath });
      for await (const frame of reader.frames()) {
        using owned = frame;
        await writer.write(owned);
      }
      if (finish) await writer.finish();
    };
    for (let round = 0; round < 10; round++) await write(round % 2 === 0);
    const before = residentBytes();
    for (let round = 0; round < 40; round++) await write(round % 2 === 0);
    expect(residentBytes() - before).toBeLessThan(64 * MEBIBYTE);
  });

  it("does not grow with the length of a video, forward and backward", async () => {
    const frameCount = 3000;
    const path = await video("long.mp4", frameCount, 160, 120);
    await using reader = await source.open(path);
    let before = 0;
    let count = 0;
    for await (const frame of reader.frames()) {
      using owned = frame;
      if (owned.index === 300) before = residentBytes();
      count += 1;
    }
    expect(count).toBe(frameCount);
    for (let end = frameCount; end > frameCount - 600; end -= 32) {
      for await (const frame of reader.frames({ start: end - 32, end })) {
        frame[Symbol.dispose]();
        count += 1;
      }
    }
    expect(count).toBe(frameCount + 19 * 32);
    // The frames are 82 MiB in all.
    expect(residentBytes() - before).toBeLessThan(40 * MEBIBYTE);
  });
});
