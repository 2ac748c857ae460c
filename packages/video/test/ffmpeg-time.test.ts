/** Rates, parts and times, of files as they come. */
import { readFile, rm } from "node:fs/promises";
import type { VideoReadOptions } from "@ls/core";
import { AVMEDIA_TYPE_VIDEO, FF_ENCODER_FFV1, FF_ENCODER_LIBX264 } from "node-av/constants";
import { describe, expect, it } from "vitest";
import { SourceTimes } from "../src/ffmpeg/frame-placement.ts";
import { rateFraction } from "../src/ffmpeg/frame-rate.ts";
import { createFfmpegVideoSink, createFfmpegVideoSource, probeVideo } from "../src/ffmpeg/index.ts";
import {
  copyVideo,
  expectNear,
  latentSyncError,
  readAll,
  type TestVideo,
  useFolder,
  writeVideo,
  writeWav,
  type PacketTime,
  packetTimes,
} from "./ffmpeg-fixtures.ts";

const file = useFolder();
const source = createFfmpegVideoSource();
const MILLISECOND = 0.0011;

/** Frames that tell their position by their brightness. */
function video(name: string, settings: Partial<TestVideo> = {}): Promise<string> {
  return writeVideo({
    encoder: FF_ENCODER_FFV1,
    format: "gray",
    width: 16,
    height: 16,
    frameCount: 20,
    pattern: (_component, _x, _y, index) => index * 4,
    ...settings,
    path: file(name),
  });
}

interface Shown {
  readonly position: number;
  readonly time: number;
}

async function shown(path: string, options: VideoReadOptions): Promise<Shown[]> {
  await using reader = await source.open(path, options);
  const frames: Shown[] = [];
  for await (const frame of reader.frames()) {
    using owned = frame;
    const { data } = await owned.toRgb();
    frames.push({ position: Math.round((data[0] as number) / 4), time: owned.timeSeconds });
  }
  return frames;
}

/** Presentation times and durations of the pictures' packets, in seconds, in presentation order. */
async function packets(path: string): Promise<readonly PacketTime[]> {
  return (await packetTimes(path, AVMEDIA_TYPE_VIDEO)).toSorted(([a], [b]) => a - b);
}

/** How long players show the pictures of an ISO file: the length in the first track's header. */
async function trackSeconds(path: string): Promise<number> {
  const bytes = await readFile(path);
  const movie = bytes.indexOf("mvhd") + 4;
  const track = bytes.indexOf("tkhd") + 4;
  return bytes.readUInt32BE(track + 20) / bytes.readUInt32BE(movie + 12);
}

const VARYING = [0, 20, 70, 90, 200, 210, 260, 500, 540, 1000, 1033, 1067, 1100, 1150, 1400];
const varyingMs = (index: number): number => VARYING[index] ?? 1400 + 250 * (index - 14);

describe("rates", () => {
  it.each([
    [25, 25, 1],
    [29.97, 30_000, 1001],
    [30_000 / 1001, 30_000, 1001],
    [23.976, 24_000, 1001],
    [59.94, 60_000, 1001],
    [12.5, 25, 2],
    [29.9, 299, 10],
    [10 / 3, 10, 3],
    [0.1, 1, 10],
  ])("of %f are counted as %i/%i", (rate, num, den) => {
    expect(rateFraction(rate)).toEqual({ num, den });
  });

  it("of any kind do not drift", () => {
    for (const rate of [27.384_756, 14.999_917, 24.99, Math.PI * 8]) {
      const { num, den } = rateFraction(rate);
      // In an hour.
      expect(Math.abs(num / den / rate - 1) * 3600).toBeLessThan(0.001);
      expect(den).toBeLessThanOrEqual(100_000);
    }
  });
});

describe("times of the source", () => {
  it("are those of the file, every frame once, on every pass", async () => {
    const path = await video("varying.mkv", { frameCount: 15, timeMs: varyingMs });
    const frames = await shown(path, { framesPerSecond: "source" });
    expect(frames.map(({ position }) => position)).toEqual(VARYING.map((_, index) => index));
    expectNear(
      frames.map(({ time }) => time),
      VARYING.map((ms) => ms / 1000),
      MILLISECOND,
    );
    await using reader = await source.open(path, { framesPerSecond: "source" });
    const all = await readAll(reader);
    for (const start of [12, 7, 0]) {
      expect(await readAll(reader, { start, end: start + 3 })).toEqual(all.slice(start, start + 3));
    }
  });

  it("start at the first frame of a file that starts late", async () => {
    const path = await video("late.mkv", { timeMs: (index) => 5000 + 40 * index });
    const frames = await shown(path, { framesPerSecond: "source" });
    expect(frames).toHaveLength(20);
    expect(frames[0]?.time).toBe(0);
    expect(Math.abs((frames[19]?.time ?? 0) - 0.76)).toBeLessThan(MILLISECOND);
  });

  const options = { startAtFirstFrame: false, maxGapSeconds: 10 };

  function placed(times: readonly (number | undefined)[], duration = 0.04): number[] {
    const placement = new SourceTimes(options);
    return times.map((time, index) => {
      placement.push(time, duration);
      return Math.round(placement.secondsOf(index) * 1e6) / 1e6;
    });
  }

  it("keep to the container's clock where the pictures start later than the sound", () => {
    expect(placed([0.5, 0.54, 0.58])).toEqual([0, 0.54, 0.58]);
  });

  it("go on where the container's clock jumps, back or far ahead", () => {
    expect(placed([0, 0.04, 500, 500.04])).toEqual([0, 0.04, 0.08, 0.12]);
    expect(placed([100, 100.04, 0, 0.04])).toEqual([0, 0.04, 0.08, 0.12]);
    expect(placed([0, 0.04, 9, 9.04])).toEqual([0, 0.04, 9, 9.04]);
  });

  it("increase, whatever the file says", () => {
    expect(placed([0, 0.04, 0.04, 0.08, 0.079, 0.12])).toEqual([0, 0.04, 0.041, 0.08, 0.081, 0.12]);
    expect(placed([undefined, undefined, undefined])).toEqual([0, 0.04, 0.08]);
  });
});

describe("parts", () => {
  const moving = {
    encoder: FF_ENCODER_LIBX264,
    format: "yuv420p",
    width: 64,
    height: 48,
    frameCount: 60,
    settings: { preset: "medium", crf: 10, bf: 3 },
    pattern: (component: number, _x: number, _y: number, index: number): number =>
      component === 0 ? 20 + 3 * index : 128,
  } as const;

  it.each(["part.mp4", "part.ts", "part.mkv"])("of %s are exact to the frame", async (name) => {
    const path = await video(name, moving);
    await using reader = await source.open(path);
    const all = await readAll(reader);
    expect(all).toHaveLength(60);
    for (const framesPerSecond of [25, "source"] as const) {
      for (const [first, end] of [
        [10, 20],
        [23, 24],
        [59, 60],
        [1, 3],
      ] as const) {
        const part = { startSeconds: first / 25, endSeconds: end / 25 };
        await using cut = await source.open(path, { framesPerSecond, ...part });
        expect(await readAll(cut)).toEqual(all.slice(first, end));
        // From the start again, by a decoder that has been used.
        expect(await readAll(cut, { start: 0, end: 1 })).toEqual([all[first]]);
        expect(cut.info.estimatedFrameCount).toBe(end - first);
      }
    }
  });

  it("that start inside a long frame begin with it", async () => {
    const path = await video("slides.mkv", { frameCount: 4, timeMs: (index) => 2000 * index });
    const part = { startSeconds: 3, endSeconds: 5 };
    const slides = await shown(path, { framesPerSecond: "source", ...part });
    expect(slides).toEqual([
      { position: 1, time: 0 },
      { position: 2, time: 1 },
    ]);
    const constant = await shown(path, { framesPerSecond: 10, ...part });
    const positions = constant.map(({ position }) => position);
    expect(positions).toEqual([...Array<number>(10).fill(1), ...Array<number>(10).fill(2)]);
  });

  it("behind the end are refused with the video's length", async () => {
    const path = await video("short.mkv");
    const error = await latentSyncError(source.open(path, { startSeconds: 9 }));
    expect(error.code).toBe("invalid_argument");
    expect(error.message).toContain("0.8");
  });
});

describe("frames with times", () => {
  it.each([
    ["times.mp4", { codec: "h264", preset: "medium" }],
    ["times.mov", { codec: "prores" }],
    ["times.mkv", { codec: "ffv1" }],
    ["times-hevc.mp4", { codec: "hevc", preset: "fast" }],
    ["times-av1.mp4", { codec: "av1", preset: "10" }],
    ["times.webm", { codec: "vp9", preset: "realtime" }],
  ] as const)(
    "are in %s where they were, the last one as long as it was",
    async (name, options) => {
      const input = await video(`for-${name}.mp4`, {
        encoder: FF_ENCODER_LIBX264,
        format: "yuv420p",
        width: 64,
        height: 64,
        frameCount: 15,
        timeMs: varyingMs,
        settings: { bf: 0, preset: "ultrafast" },
      });
      const output = await copyVideo(input, {
        sink: createFfmpegVideoSink(options),
        path: file(name),
        audioPath: await writeWav(file("sound.wav"), { seconds: 5 }),
        framesPerSecond: "source",
      });
      const written = await packets(output);
      const start = written[0]?.[0] ?? 0;
      expectNear(
        written.map(([time]) => time - start),
        VARYING.map((ms) => ms / 1000),
        MILLISECOND,
      );
      expect(Math.abs(start)).toBeLessThan(0.03);
      // The fixture's encoder says 40 ms of every frame.
      const seconds = 1.4 + 0.04;
      if (name.endsWith(".mp4") || name.endsWith(".mov")) {
        expect(Math.abs((await trackSeconds(output)) - seconds)).toBeLessThan(MILLISECOND);
      }
      // The sound goes on for at most a packet.
      const { durationSeconds = 0 } = await probeVideo(output);
      expect(Math.abs(durationSeconds - seconds)).toBeLessThan(0.045);
      const frames = await shown(output, { framesPerSecond: "source" });
      expectNear(
        frames.map(({ time }) => time),
        VARYING.map((ms) => ms / 1000),
        MILLISECOND,
      );
    },
  );

  it("of a rate of NTSC do not drift in an hour", async () => {
    const rate = 30_000 / 1001;
    // One in a thousand of an hour's frames.
    const indices = Array.from({ length: 108 }, (_, index) => index * 1000);
    const input = await video("sparse.mkv", { frameCount: 1 });
    await using reader = await source.open(input);
    const audioPath = await writeWav(file("hour.wav"), { seconds: 1 });
    const path = file("hour.mp4");
    await using writer = await createFfmpegVideoSink({ preset: "ultrafast" }).create({
      path,
      source: reader,
      audioPath,
    });
    for await (const frame of reader.frames()) {
      using owned = frame;
      for (const index of indices) await writer.write(owned, [], index / rate);
    }
    await writer.finish();
    const times = (await packets(path)).map(([time]) => time);
    expect(times).toHaveLength(108);
    for (const [index, time] of times.entries()) {
      expect(Math.abs(time - (indices[index] as number) / rate)).toBeLessThan(1e-4);
    }
    await rm(path);
  });

  it("are all or none", async () => {
    const input = await video("mixed.mkv", { frameCount: 2 });
    const audioPath = await writeWav(file("a.wav"), { seconds: 1 });
    await using reader = await source.open(input);
    const sink = createFfmpegVideoSink({ codec: "ffv1" });
    await using writer = await sink.create({ path: file("all.mkv"), source: reader, audioPath });
    for await (const frame of reader.frames()) {
      using owned = frame;
      if (owned.index === 0) await writer.write(owned);
      else {
        const error = await latentSyncError(writer.write(owned, [], 0.5));
        expect(error.code).toBe("invalid_argument");
      }
    }
  });
});
