import type { RgbImage } from "@ls/core";
import { describe, expect, it } from "vitest";
import {
  bestLag,
  lagCorrelation,
  lagCorrelations,
  pearson,
  standardDeviation,
} from "../src/lip-sync/correlation.ts";
import { lipSyncReport } from "../src/lip-sync/lip-sync-report.ts";
import { speechLoudness } from "../src/lip-sync/loudness.ts";
import { ssim } from "../src/lip-sync/ssim.ts";
import { noise } from "./noise.ts";

/** Two incommensurable sines: no shift of a few frames looks like another. */
const wave = (frame: number): number => Math.sin(frame / 3.1) + 0.6 * Math.sin(frame / 1.7 + 1);
const signal = (length: number, at: (frame: number) => number): number[] =>
  Array.from({ length }, (_, frame) => at(frame));

describe("pearson", () => {
  it("is 1 for the same shape at any scale, -1 for the opposite", () => {
    const a = signal(50, wave);
    expect(
      pearson(
        a,
        signal(50, (frame) => 7 + 0.01 * wave(frame)),
      ),
    ).toBeCloseTo(1, 12);
    expect(
      pearson(
        a,
        signal(50, (frame) => -wave(frame)),
      ),
    ).toBeCloseTo(-1, 12);
  });

  it("is what the textbook's formula gives", () => {
    // Deviations (-2, -1, 0, 1, 2) and (-2, 0, -1, 2, 1): 8 / sqrt(10 * 10).
    expect(pearson([1, 2, 3, 4, 5], [1, 3, 2, 5, 4])).toBeCloseTo(0.8, 12);
  });

  it("is near 0 for noise", () => {
    expect(Math.abs(pearson(noise(4000, 1), noise(4000, 2)) ?? 1)).toBeLessThan(0.05);
  });

  it("leaves out frames where either is missing", () => {
    const a = [1, undefined, 2, 3, 100, 4, 5];
    const b = [1, 50, 3, 2, undefined, 5, 4];
    expect(pearson(a, b)).toBeCloseTo(0.8, 12);
    expect(lagCorrelation(a, b, 0).frames).toBe(5);
  });

  it.each([
    ["a signal that stands still", [1, 2, 3, 4], [0.3, 0.3, 0.3, 0.3]],
    ["two frames", [1, 2], [1, 2]],
    ["no common frame", [1, undefined, 3], [undefined, 2, undefined]],
  ])("is not defined for %s", (_what, a, b) => {
    expect(pearson(a, b)).toBeUndefined();
  });
});

describe("standardDeviation", () => {
  it("is that of the frames that there are", () => {
    expect(standardDeviation([1, undefined, 3])).toBe(1);
    expect(standardDeviation([undefined])).toBeUndefined();
  });
});

describe("lags", () => {
  it.each([0, 1, 4, -3, 12])("finds a shift of %i frames", (shift) => {
    const truth = signal(100, wave);
    const measured = signal(100, (frame) => wave(frame - shift) + 0.05 * Math.cos(frame * frame));
    const lags = lagCorrelations(measured, truth, 15);
    expect(lags.map(({ lagFrames }) => lagFrames)).toEqual(signal(31, (index) => index - 15));
    const best = bestLag(lags);
    expect(best?.lagFrames).toBe(shift);
    expect(best?.correlation).toBeGreaterThan(0.98);
    expect(best?.frames).toBe(100 - Math.abs(shift));
  });

  it("keeps to shifts that leave three quarters of the frames", () => {
    const lags = lagCorrelations(signal(20, wave), signal(30, wave), 15);
    expect(lags.map(({ lagFrames }) => lagFrames)).toEqual(signal(11, (index) => index - 5));
  });

  it("prefers the smallest shift among equals", () => {
    const alternating = signal(40, (frame) => frame % 2);
    expect(bestLag(lagCorrelations(alternating, alternating, 4))?.lagFrames).toBe(0);
  });
});

describe("lipSyncReport", () => {
  it("counts, correlates and keeps the curves as JSON", () => {
    const truth = signal(60, wave);
    const measured: (number | undefined)[] = signal(60, (frame) => wave(frame - 2));
    measured[7] = undefined;
    const report = lipSyncReport({
      measured,
      truth: { kind: "openings", openings: [...truth, undefined] },
      source: signal(60, () => 0.5),
    });
    expect(report).toMatchObject({
      frames: 60,
      framesWithoutFace: 1,
      truth: { kind: "openings", frames: 61, framesMissing: 1 },
      framesCompared: 59,
      bestLag: { lagFrames: 2 },
      sourceCorrelation: null,
    });
    expect(report.bestLag?.correlation).toBeCloseTo(1, 10);
    expect(report.correlation).toBeLessThan(0.9);
    expect(report.openings.measured[7]).toBeNull();
    expect(report.movement).toMatchObject({ truth: null, source: 0 });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

describe("ssim", () => {
  const picture = (
    width: number,
    height: number,
    grey: (x: number, y: number) => number,
  ): RgbImage => {
    const data = new Uint8Array(width * height * 3);
    for (let pixel = 0; pixel < width * height; pixel++) {
      data.fill(grey(pixel % width, Math.floor(pixel / width)), pixel * 3, pixel * 3 + 3);
    }
    return { width, height, data };
  };
  const random = (width: number, height: number, seed: number): RgbImage => {
    const values = noise(width * height, seed);
    return picture(width, height, (x, y) => 255 * (values[y * width + x] as number));
  };

  it("is 1 for equal pictures", () => {
    expect(ssim(random(40, 30, 1), random(40, 30, 1))).toBeCloseTo(1, 12);
  });

  it("compares the luminance of flat pictures as the formula has it", () => {
    const c1 = (0.01 * 255) ** 2;
    const expected = (2 * 100 * 130 + c1) / (100 ** 2 + 130 ** 2 + c1);
    const flat = (grey: number): RgbImage => picture(20, 20, () => grey);
    expect(ssim(flat(100), flat(130))).toBeCloseTo(expected, 9);
  });

  it("is the formula itself in a single window", () => {
    const [a, b] = [random(11, 11, 3), random(11, 11, 4)];
    expect(ssim(a, b)).toBeCloseTo(windowSimilarity(a, b, 0, 0), 9);
  });

  it("is the mean over all windows", () => {
    const [a, b] = [random(17, 14, 5), random(17, 14, 6)];
    let sum = 0;
    for (let y = 0; y < 4; y++) for (let x = 0; x < 7; x++) sum += windowSimilarity(a, b, x, y);
    expect(ssim(a, b)).toBeCloseTo(sum / 28, 9);
  });

  it("takes colours by their luma", () => {
    const colour = (red: number, green: number, blue: number): RgbImage => ({
      width: 11,
      height: 11,
      data: Uint8Array.from({ length: 363 }, (_, index) => [red, green, blue][index % 3] as number),
    });
    const expected =
      ssim(
        picture(11, 11, () => 58.7),
        picture(11, 11, () => 0),
      ) ?? 0;
    expect(ssim(colour(0, 100, 0), colour(0, 0, 0))).toBeCloseTo(expected, 2);
    expect(ssim(colour(0, 0, 200), colour(0, 0, 0))).toBeGreaterThan(expected);
  });

  it("leaves out every window that touches what is excluded", () => {
    const a = random(60, 50, 7);
    const b: RgbImage = { ...a, data: Uint8Array.from(a.data) };
    for (let y = 20; y < 28; y++) b.data.fill(0, (y * 60 + 25) * 3, (y * 60 + 33) * 3);
    const changed = { x: 25, y: 20, width: 8, height: 8 };
    expect(ssim(a, b)).toBeLessThan(0.99);
    expect(ssim(a, b, changed)).toBeCloseTo(1, 12);
    // One row or column less, and the change shows.
    expect(ssim(a, b, { ...changed, width: 7 })).toBeLessThan(1 - 1e-7);
    expect(ssim(a, b, { ...changed, x: 26, width: 7 })).toBeLessThan(1 - 1e-7);
    expect(ssim(a, b, { ...changed, height: 7 })).toBeLessThan(1 - 1e-7);
    expect(ssim(a, b, { ...changed, y: 21, height: 7 })).toBeLessThan(1 - 1e-7);
  });

  it("is not defined where no window is left, and refuses other sizes", () => {
    expect(ssim(random(10, 40, 1), random(10, 40, 2))).toBeUndefined();
    const whole = { x: 0, y: 0, width: 30, height: 30 };
    expect(ssim(random(30, 30, 1), random(30, 30, 2), whole)).toBeUndefined();
    expect(() => ssim(random(30, 30, 1), random(30, 31, 1))).toThrow("30x30 with 30x31");
  });

  /** Straight from the paper: weighted means, deviations and covariance of one window. */
  function windowSimilarity(a: RgbImage, b: RgbImage, left: number, top: number): number {
    const taps = signal(121, (index) => {
      const [dx, dy] = [(index % 11) - 5, Math.floor(index / 11) - 5];
      return Math.exp(-(dx * dx + dy * dy) / 4.5);
    });
    const total = taps.reduce((sum, tap) => sum + tap, 0);
    const grey = (image: RgbImage, index: number): number =>
      image.data[
        ((top + Math.floor(index / 11)) * image.width + left + (index % 11)) * 3
      ] as number;
    const mean = (value: (index: number) => number): number =>
      taps.reduce((sum, tap, index) => sum + (tap / total) * value(index), 0);
    const meanA = mean((index) => grey(a, index));
    const meanB = mean((index) => grey(b, index));
    const varianceA = mean((index) => (grey(a, index) - meanA) ** 2);
    const varianceB = mean((index) => (grey(b, index) - meanB) ** 2);
    const covariance = mean((index) => (grey(a, index) - meanA) * (grey(b, index) - meanB));
    const [c1, c2] = [2.55 ** 2, 7.65 ** 2];
    return (
      ((2 * meanA * meanB + c1) * (2 * covariance + c2)) /
      ((meanA ** 2 + meanB ** 2 + c1) * (varianceA + varianceB + c2))
    );
  }
});

describe("speechLoudness", () => {
  const RATE = { sampleRateHz: 16_000, framesPerSecond: 25 } as const;
  const tone = async function* (
    seconds: number,
    hertz: number,
    gain: (second: number) => number = () => 0.5,
  ): AsyncGenerator<Float32Array> {
    // Blocks of odd sizes: frames of sound do not end where they do.
    for (let start = 0; start < seconds * 16_000; start += 1111) {
      yield Float32Array.from({ length: Math.min(1111, seconds * 16_000 - start) }, (_, index) => {
        const second = (start + index) / 16_000;
        return gain(second) * Math.sin(2 * Math.PI * hertz * second);
      });
    }
  };
  const steady = async (hertz: number): Promise<number> =>
    (await speechLoudness(tone(1, hertz), RATE))[12] as number;

  it("has a value per frame, the last one of what is left", async () => {
    expect(await speechLoudness(tone(2, 500), RATE)).toHaveLength(50);
    expect(await speechLoudness(tone(2.01, 500), RATE)).toHaveLength(51);
  });

  it("follows the voice", async () => {
    const syllables = (second: number): number => Math.max(0, Math.sin(2 * Math.PI * 3 * second));
    const loudness = await speechLoudness(tone(4, 600, syllables), RATE);
    const truth = signal(100, (frame) => syllables((frame + 0.5) / 25));
    expect(bestLag(lagCorrelations(loudness, truth, 5))).toMatchObject({ lagFrames: 0 });
    expect(pearson(loudness, truth)).toBeGreaterThan(0.95);
  });

  it("hears the band of vowels", async () => {
    const middle = await steady(700);
    expect(await steady(60)).toBeLessThan(0.3 * middle);
    expect(await steady(7000)).toBeLessThan(0.3 * middle);
    expect(await steady(1500)).toBeGreaterThan(0.9 * middle);
  });

  it("is compressed: ten times the amplitude is four times as loud", async () => {
    const quiet = (
      await speechLoudness(
        tone(1, 700, () => 0.05),
        RATE,
      )
    )[12] as number;
    expect((await steady(700)) / quiet).toBeCloseTo(10 ** 0.6, 3);
  });
});
