import { describe, expect, it } from "vitest";
import { ConstantRate } from "../src/ffmpeg/frame-placement.ts";
import { FrameSelection } from "../src/ffmpeg/frame-selection.ts";
import { FrameTimeline } from "../src/ffmpeg/frame-timeline.ts";

/** Which of the frames at `times` (seconds) are shown, one entry per output frame. */
function shown(
  times: readonly number[],
  durationSeconds: number,
  options: { readonly startAtFirstFrame?: boolean; readonly maxGapSeconds?: number } = {},
): number[] {
  const selection = new FrameSelection({ framesPerSecond: 25, ...options });
  const output: number[] = [];
  for (const [index, time] of times.entries()) {
    const { previous, current } = selection.push(time, durationSeconds);
    for (let copy = 0; copy < previous; copy++) output.push(Math.max(0, index - 1));
    for (let copy = 0; copy < current; copy++) output.push(index);
  }
  for (let copy = selection.finish(); copy > 0; copy--) output.push(times.length - 1);
  return output;
}

function constant(rate: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => index / rate);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

// The figures are what ffmpeg 7.0.2 showed with `-r 25` for test pictures of these rates.
describe("frame selection", () => {
  it("keeps every frame of 25 frames per second", () => {
    expect(shown(constant(25, 24), 0.04)).toEqual(range(24));
    expect(shown(constant(25, 2500), 0.04)).toEqual(range(2500));
  });

  it("keeps every frame under rounded millisecond times", () => {
    const times = range(500).map((index) => Math.round((1000 * index) / 25 + (index % 3)) / 1000);
    expect(shown(times, 0.04)).toEqual(range(500));
  });

  it("drops one frame in six of 30 frames per second where ffmpeg does", () => {
    const output = shown(constant(30000 / 1001, 60), 1001 / 30000);
    expect(output.join(" ")).toBe(
      "0 1 2 3 4 5 6 7 8 9 10 11 13 14 15 16 17 19 20 21 22 23 25 26 27 28 29 31 32 33 34 35 37 " +
        "38 39 40 41 43 44 45 46 47 49 50 51 52 53 55 56 57 58 59",
    );
  });

  it("drops every second frame of 50 frames per second once it has settled", () => {
    const output = shown(constant(50, 60), 0.02);
    expect(output.join(" ")).toBe(
      "0 1 2 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31 33 35 37 39 41 43 45 47 49 51 53 55 57 59",
    );
  });

  it("repeats frames of 24 and 15 frames per second where ffmpeg does", () => {
    // In a container that counts milliseconds.
    const times = constant(24, 60).map((time) => Math.round(time * 1000) / 1000);
    const film = shown(times, 0.041);
    expect(film).toHaveLength(62);
    expect(film.slice(10, 16)).toEqual([10, 11, 12, 12, 13, 14]);
    const slow = shown(constant(15, 40), 1 / 15);
    expect(slow).toHaveLength(67);
    expect(slow.slice(0, 12).join(" ")).toBe("0 0 1 2 2 3 3 4 5 5 6 6");
  });

  it("fills a late start where the file has sound, and not where it has none", () => {
    const times = constant(25, 5).map((time) => time + 0.4);
    expect(shown(times, 0.04)).toEqual([...Array<number>(11).fill(0), 1, 2, 3, 4]);
    expect(shown(times, 0.04, { startAtFirstFrame: true })).toEqual(range(5));
  });

  it("fills pauses, but closes those over the limit", () => {
    const pause = [0, 0.04, 5, 5.04];
    expect(shown(pause, 0.04)).toHaveLength(127);
    expect(shown(pause, 0.04, { maxGapSeconds: 2 })).toEqual(range(4));
    expect(shown([0, 0.04, 1e9, 1e9 + 0.04], 0.04)).toHaveLength(4);
  });

  it("drops frames that come after their time", () => {
    expect(shown([0, 0.04, 0.08, 0.12, 0, 0.04, 0.16], 0.04)).not.toContain(4);
  });

  it("takes a frame without a time as the next one", () => {
    const selection = new FrameSelection({ framesPerSecond: 25 });
    const repeats = range(5).map(() => selection.push(undefined, 0.04));
    expect(repeats).toEqual(range(5).map(() => ({ previous: 0, current: 1 })));
  });
});

describe("frame timeline", () => {
  function timeline(times: readonly number[]): FrameTimeline {
    const selection = new FrameSelection({ framesPerSecond: 25 });
    const result = new FrameTimeline(new ConstantRate(selection, 25));
    for (const time of times) {
      result.append({ pts: time * 1000, timeSeconds: time, durationSeconds: 1 / 50 });
    }
    return result;
  }

  it("maps output frames to decoded frames", () => {
    const half = timeline(constant(50, 2000));
    half.finish();
    expect(half.ordered).toBe(true);
    expect(half.decodedCount).toBe(2000);
    expect(half.outputCount).toBe(1002);
    expect(half.ordinalOfOutput(0)).toBe(0);
    expect(half.ordinalOfOutput(1001)).toBe(1999);
    expect(half.ordinalOfOutput(1002)).toBeNaN();
    for (const ordinal of [0, 1, 999, 1999]) {
      expect(half.ordinalOfPts(half.ptsOf(ordinal))).toBe(ordinal);
    }
    expect(half.ordinalOfPts(1.5)).toBe(-1);
  });

  it("notices times that do not tell frames apart", () => {
    expect(timeline([0, 0.04, 0.04]).ordered).toBe(false);
    expect(timeline([0.04, 0]).ordered).toBe(false);
    expect(timeline([0, 0.04, 0.08]).ordered).toBe(true);
  });
});
