/** Which pictures a constant rate shows: those that are nearest in time, of any rate of the source. */
import { FF_ENCODER_FFV1, FF_ENCODER_LIBX264 } from "node-av/constants";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { framesWithin, NearestFrames } from "../src/ffmpeg/nearest-frames.ts";
import { useFolder, writeVideo } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const RATE = 25;
/** Half a tick of a container that counts milliseconds, twice: the source's rounding, and the rule's. */
const ROUNDING = 0.0011;
const NTSC_30 = 30_000 / 1001;
const NTSC_60 = 60_000 / 1001;

interface Placing {
  readonly startAtFirstFrame?: boolean;
  readonly maxGapSeconds?: number;
  readonly tickSeconds?: number;
  readonly endSeconds?: number;
  readonly rate?: number;
}

/** Which of the frames at these times are shown, one entry for each output frame. */
function shown(
  times: readonly (number | undefined)[],
  durationSeconds: number,
  options: Placing = {},
): number[] {
  const { endSeconds, rate = RATE, ...rest } = options;
  const defaults = { startAtFirstFrame: false, maxGapSeconds: 10, tickSeconds: 1e-5 };
  const placement = new NearestFrames({ ...defaults, ...rest, framesPerSecond: rate });
  const output: number[] = [];
  const show = (position: number, count: number): void => {
    output.push(...Array<number>(count).fill(position));
  };
  for (const [position, time] of times.entries()) {
    const { previous, current } = placement.push(time, durationSeconds);
    show(position - 1, previous);
    show(position, current);
  }
  show(times.length - 1, placement.finish(endSeconds));
  return output;
}

function constant(rate: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => index / rate);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** How much later each output frame comes than the picture that it shows. */
function offsets(positions: readonly number[], times: readonly number[]): number[] {
  return positions.map((position, index) => index / RATE - (times[position] as number));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe("nearest frames", () => {
  it.each([24, NTSC_30, 30, 50, NTSC_60, 60, 119.88])("of %d a second", (rate) => {
    const times = constant(rate, Math.round(rate * 20));
    const positions = shown(times, 1 / rate);
    const found = offsets(positions, times);
    // Where pictures are slower than frames, half a frame is nearer than half an interval.
    const half = Math.max(1 / rate - 0.5 / RATE, 0.5 / rate);
    expect(Math.max(...found.map(Math.abs))).toBeLessThan(half + 1e-4);
    expect(Math.abs(mean(found))).toBeLessThan(0.001);
    expect(positions).toHaveLength(framesWithin(times.length / rate, RATE));
    expect(positions[0]).toBe(0);
  });

  it("are the nearest of all, where there is one for every frame", () => {
    const times = constant(NTSC_30, 300);
    for (const [index, position] of shown(times, 1 / NTSC_30).entries()) {
      const distance = (time: number): number => Math.abs(time - index / RATE);
      const least = Math.min(...times.map(distance));
      expect(distance(times[position] as number)).toBeLessThan(least + 1e-4);
    }
  });

  it("are every frame of the same rate, rounded to milliseconds or begun between two frames", () => {
    expect(shown(constant(25, 2500), 0.04)).toEqual(range(2500));
    const rounded = range(500).map((index) => Math.round(40 * index + (index % 3) - 1) / 1000);
    expect(shown(rounded, 0.04, { tickSeconds: 0.001 })).toEqual(range(500));
    const between = range(500).map((index) => 0.02 + 0.04 * index);
    const jitter = between.map((time, index) => time + ((index % 3) - 1) * 4e-4);
    expect(shown(between, 0.04).slice(0, 500)).toEqual(range(500));
    expect(shown(jitter, 0.04, { tickSeconds: 0.001 }).slice(0, 500)).toEqual(range(500));
  });

  it("repeat each picture where the rate is twice the source's", () => {
    expect(shown(constant(12.5, 50), 0.08)).toEqual(range(100).map((index) => index >> 1));
    const film = constant(24, 48).map((time) => Math.round(time * 1000) / 1000);
    const doubled = shown(film, 1 / 24, { rate: 48, tickSeconds: 0.001 });
    expect(doubled).toEqual(range(96).map((index) => index >> 1));
  });

  it("leave a picture that is held on screen until the next comes", () => {
    const slides = [0, 2, 2.51, 5];
    const positions = shown(slides, 1);
    expect(slides.map((_, position) => positions.indexOf(position) / RATE)).toEqual([
      0, 2, 2.52, 5,
    ]);
    expect(positions).toHaveLength(6 * RATE);
  });

  it("start with the first picture, at once where there is nothing to be in step with", () => {
    const late = constant(25, 5).map((time) => time + 0.4);
    expect(shown(late, 0.04)).toEqual([...Array<number>(10).fill(0), ...range(5)]);
    expect(shown(late, 0.04, { startAtFirstFrame: true })).toEqual(range(5));
  });

  it("of a part start with what is nearest to its start, and last until its end", () => {
    expect(shown([-0.03, 0.003, 0.036], 0.033)).toEqual([1, 2]);
    expect(shown([-0.01, 0.023, 0.056], 0.033)).toEqual([0, 2, 2]);
    expect(shown([-1], 0.04, { endSeconds: 0.4 })).toEqual(Array<number>(10).fill(0));
  });

  it("fill pauses, but not jumps of the container's clock", () => {
    expect(shown([0, 0.04, 5, 5.04], 0.04)).toHaveLength(127);
    expect(shown([0, 0.04, 500, 500.04, 3, 3.04], 0.04)).toEqual(range(6));
    expect(shown([undefined, undefined, undefined], 0.04)).toEqual(range(3));
    expect(shown([0, 0.04, 0.08, undefined], 0.001)).toEqual(range(4));
    expect(shown([0, 0.04, 0.04, 0.08, 0.079, 0.12], 0.04)).toHaveLength(4);
  });

  it("are at least one, and no more for what is left over of less than a tenth of a frame", () => {
    expect([0, 0.04, 0.043, 0.045, 1, 1.003].map((seconds) => framesWithin(seconds, RATE))).toEqual(
      [1, 1, 1, 2, 25, 25],
    );
  });
});

/** Pictures that tell their position by their brightness. */
async function numbered(
  name: string,
  times: readonly number[],
): Promise<{ readonly path: string; readonly times: readonly number[] }> {
  const ms = times.map((time) => Math.round(time * 1000));
  const last = ms.at(-1) ?? 0;
  const lossless = name.endsWith(".mkv");
  const path = await writeVideo({
    path: file(name),
    encoder: lossless ? FF_ENCODER_FFV1 : FF_ENCODER_LIBX264,
    format: lossless ? "gray" : "yuv420p",
    width: 32,
    height: 32,
    frameCount: ms.length,
    timeMs: (index) => ms[index] ?? last + 33 * (index - ms.length + 1),
    pattern: (component, _x, _y, index) => (component === 0 ? 20 + 3 * index : 128),
    ...(lossless ? {} : { settings: { preset: "medium", crf: 4, bf: 3 } }),
  });
  return { path, times: ms.map((time) => time / 1000) };
}

interface Shown {
  readonly position: number;
  readonly timeSeconds: number;
}

describe("a reader's nearest frames", () => {
  const source = createFfmpegVideoSource();

  /** Output frames, and whichever picture of the file is alike. */
  async function read(
    path: string,
    options: { readonly rateConversion?: "ffmpeg"; readonly backwards?: boolean } = {},
  ): Promise<Shown[]> {
    const { rateConversion = "nearest", backwards = false } = options;
    const levels: number[] = [];
    await using every = await source.open(path, { framesPerSecond: "source" });
    for await (const decoded of every.frames()) {
      using frame = decoded;
      levels.push((await frame.toRgb()).data[0] as number);
    }
    expect(new Set(levels).size).toBe(levels.length);
    await using reader = await createFfmpegVideoSource({ rateConversion }).open(path);
    const frames: Shown[] = [];
    const collect = async (start: number, end: number): Promise<void> => {
      for await (const decoded of reader.frames({ start, end })) {
        using frame = decoded;
        const level = (await frame.toRgb()).data[0] as number;
        frames[frame.index] = {
          position: levels.indexOf(level),
          timeSeconds: frame.timeSeconds,
        };
      }
    };
    await collect(0, Number.POSITIVE_INFINITY);
    if (rateConversion === "nearest") {
      expect(Math.abs(frames.length - (reader.info.estimatedFrameCount ?? 0))).toBeLessThan(2);
    }
    if (!backwards) return frames;
    const count = frames.length;
    frames.length = 0;
    for (let end = count; end > 0; end -= 7) await collect(Math.max(0, end - 7), end);
    return frames;
  }

  const varying = range(40).map((index) => index / 30 + 0.011 * Math.sin(3 * index));
  it.each([
    ["24.mkv", constant(24, 48)],
    ["29.97.mkv", constant(NTSC_30, 60)],
    ["30.mp4", constant(30, 60)],
    ["50.mkv", constant(50, 70)],
    ["59.94.mp4", constant(NTSC_60, 70)],
    ["varying.mkv", varying],
    ["varying.mp4", varying],
  ] as const)("of %s come at their times, on every pass", async (name, given) => {
    const { path, times } = await numbered(name, given);
    const frames = await read(path);
    const positions = frames.map(({ position }) => position);
    const found = offsets(positions, times);
    for (const [index, offset] of found.entries()) {
      const own = times[positions[index] as number] as number;
      const next = times[(positions[index] as number) + 1];
      // The last picture stays until the end.
      if (next === undefined) continue;
      const interval = next - own;
      expect(offset).toBeLessThan(interval - Math.min(interval, 1 / RATE) / 2 + ROUNDING);
      expect(offset).toBeGreaterThan(-0.5 / RATE - ROUNDING);
    }
    expect(Math.abs(mean(found))).toBeLessThan(0.005);
    expect(frames.map(({ timeSeconds }) => timeSeconds)).toEqual(
      frames.map((_, index) => index / RATE),
    );
    expect(await read(path, { backwards: true })).toEqual(frames);
  });

  it("are not those of `ffmpeg -r`, which come late", async () => {
    const { path, times } = await numbered("late.mp4", constant(30, 60));
    const frames = await read(path, { rateConversion: "ffmpeg" });
    const positions = frames.map(({ position }) => position);
    expect(positions.slice(0, 20).join(" ")).toBe(
      "0 1 2 3 4 5 6 7 8 9 10 11 13 14 15 16 17 19 20 21",
    );
    expect(mean(offsets(positions, times).slice(20))).toBeGreaterThan(0.05);
  });
});
