import { LatentSyncError } from "@ls/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { logMelSpectrogram, MelAnalyzer, measureSpeech } from "../src/log-mel.ts";
import { melFilterBank } from "../src/mel-filter-bank.ts";
import { RealFourierTransform } from "../src/real-fourier-transform.ts";
import { whisperWindows } from "../src/whisper-windows.ts";
import { generateSpeech } from "./generated-speech.ts";

const SETTINGS = { sampleRateHz: 16_000, transformSize: 400, bands: 80 };

async function* inBlocks(
  samples: Float32Array,
  sizes: readonly number[],
): AsyncGenerator<Float32Array> {
  for (let start = 0, turn = 0; start < samples.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    yield samples.slice(start, start + size);
    start += size;
  }
}

/** The definition, term by term: mirrored frame, periodic Hann window, 201 direct sums. */
function powerSpectrum(samples: Float32Array, frame: number): Float64Array {
  const windowed = Float64Array.from({ length: 400 }, (_, index) => {
    let position = Math.abs(frame * 160 - 200 + index);
    if (position >= samples.length) position = 2 * (samples.length - 1) - position;
    return (samples[position] as number) * Math.sin((Math.PI * index) / 400) ** 2;
  });
  return Float64Array.from({ length: 201 }, (_, bin) => {
    let real = 0;
    let imaginary = 0;
    for (const [index, value] of windowed.entries()) {
      real += value * Math.cos((2 * Math.PI * bin * index) / 400);
      imaginary -= value * Math.sin((2 * Math.PI * bin * index) / 400);
    }
    return real ** 2 + imaginary ** 2;
  });
}

/** The whole spectrogram by its definition. */
function slowLogMel(samples: Float32Array): Float32Array {
  const frames = Math.floor(samples.length / 160);
  const bank = melFilterBank(SETTINGS);
  const logs = new Float64Array(80 * frames);
  for (let frame = 0; frame < frames; frame++) {
    const power = powerSpectrum(samples, frame);
    for (const [band, { firstBin, weights }] of bank.entries()) {
      const sum = weights.reduce(
        (total, weight, bin) => total + weight * (power[firstBin + bin] as number),
        0,
      );
      logs[band * frames + frame] = Math.log10(Math.max(sum, 1e-10));
    }
  }
  const floor = Math.max(...logs) - 8;
  return Float32Array.from(logs, (log) => (Math.max(log, floor) + 4) / 4);
}

function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce(
    (most, value, index) => Math.max(most, Math.abs(value - (expected[index] as number))),
    0,
  );
}

describe("the transform of 400 points", () => {
  test("equals the direct sums for two frames at once", () => {
    const first = Float64Array.from({ length: 400 }, (_, index) => Math.sin(index * index));
    const second = Float64Array.from(
      { length: 400 },
      (_, index) => Math.cos(3 * index) / (1 + index),
    );
    const powers = [new Float64Array(201), new Float64Array(201)] as const;
    new RealFourierTransform().powers(first, second, ...powers);
    for (const [which, frame] of [first, second].entries()) {
      const expected = Float64Array.from({ length: 201 }, (_, bin) => {
        let real = 0;
        let imaginary = 0;
        for (const [index, value] of frame.entries()) {
          real += value * Math.cos((2 * Math.PI * bin * index) / 400);
          imaginary += value * Math.sin((2 * Math.PI * bin * index) / 400);
        }
        return real ** 2 + imaginary ** 2;
      });
      expect(worst(powers[which] as Float64Array, expected)).toBeLessThan(1e-9);
    }
  });
});

describe("the mel bands", () => {
  test("are triangles of unit area that overlap by half", () => {
    const bank = melFilterBank(SETTINGS);
    expect(bank).toHaveLength(80);
    // Wide bands span many bins, so that their sum times 40 Hz comes near the integral.
    for (const { weights } of bank.slice(60)) {
      expect(weights.reduce((sum, weight) => sum + weight, 0) * 40).toBeCloseTo(1, 1);
    }
    // Above the first band and below the last, unnormalised triangles add up to one.
    const bin = 100;
    const peaks = bank.map(({ firstBin, weights }) => weights[bin - firstBin] ?? 0);
    expect(peaks.filter((weight) => weight > 0).length).toBeLessThanOrEqual(2);
  });

  test("are linear in frequency up to 1 kHz and logarithmic above", () => {
    const centres = melFilterBank({ sampleRateHz: 16_000, transformSize: 65_536, bands: 80 }).map(
      ({ firstBin, weights }) =>
        ((firstBin + weights.indexOf(Math.max(...weights))) * 16_000) / 65_536,
    );
    const step = (centres[1] as number) - (centres[0] as number);
    expect((centres[20] as number) - (centres[19] as number)).toBeCloseTo(step, 0);
    const ratio = (centres[79] as number) / (centres[78] as number);
    expect((centres[60] as number) / (centres[59] as number)).toBeCloseTo(ratio, 2);
    expect(ratio).toBeGreaterThan(1.03);
  });
});

describe("log-mel", () => {
  test.each([201, 320, 1601, 4799])("of %d samples equals the definition", (length) => {
    const samples = generateSpeech(1, 3).slice(2000, 2000 + length);
    expect(worst(logMelSpectrogram(samples), slowLogMel(samples))).toBeLessThan(1e-6);
  });

  test("of silence is flat", () => {
    expect(new Set(logMelSpectrogram(new Float32Array(16_000)))).toEqual(new Set([-1.5]));
  });

  test("needs more than 200 samples", () => {
    expect(() => logMelSpectrogram(new Float32Array(200))).toThrow(LatentSyncError);
    expect(() => logMelSpectrogram(new Float32Array(200))).toThrow(/more than 200 samples/);
  });

  test("does not depend on how the sound is cut into blocks", async () => {
    const samples = generateSpeech(1, 9);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 201, max: samples.length }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 8 }),
        async (length, sizes) => {
          const sound = samples.subarray(0, length);
          const frames = Math.floor(length / 160);
          const whole = logMelSpectrogram(sound);
          const measure = await measureSpeech(inBlocks(sound, sizes));
          expect(measure).toMatchObject({ sampleCount: length, melFrameCount: frames });
          const windows = await Array.fromAsync(whisperWindows(inBlocks(sound, sizes), measure));
          expect(windows.map(({ frameCount }) => frameCount)).toEqual([frames]);
          const mel = windows[0]?.mel as Float32Array;
          for (let band = 0; band < 80; band++) {
            const row = mel.subarray(band * 3000, (band + 1) * 3000);
            // Single precision holds the power only in the spectrogram that is made at once.
            const expected = whole.subarray(band * frames, (band + 1) * frames);
            expect(worst(row.subarray(0, frames), expected)).toBeLessThan(1e-6);
            expect(row.subarray(frames).every((value) => value === 0)).toBe(true);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("holds no more than a window of samples back", () => {
    const analyzer = new MelAnalyzer();
    let frames = 0;
    for (let block = 0; block < 100; block++) {
      analyzer.push(new Float32Array(160), () => frames++);
      expect(frames).toBeGreaterThanOrEqual(block - 3);
    }
    expect(analyzer.finish(() => frames++)).toBe(100);
    expect(frames).toBe(100);
  });
});

describe("windows", () => {
  test.each([
    ["official", [0, 3000, 6000], [3000, 3000, 100]],
    ["overlapped", [0, 1550, 3100], [3000, 3000, 3000]],
  ] as const)("in the %s layout hold the sound from %j on", async (layout, starts, counts) => {
    const sound = generateSpeech(61, 5);
    const measure = await measureSpeech(inBlocks(sound, [16_000]));
    const whole = logMelSpectrogram(sound);
    const blocks = inBlocks(sound, [7919]);
    const windows = await Array.fromAsync(whisperWindows(blocks, measure, layout));
    expect(windows.map(({ firstState }) => 2 * firstState)).toEqual(starts);
    expect(windows.map(({ frameCount }) => frameCount)).toEqual(counts);
    for (const { mel, frameCount, firstState } of windows) {
      for (const band of [0, 40, 79]) {
        const start = band * 6100 + 2 * firstState;
        const expected = whole.subarray(start, start + frameCount);
        const row = mel.subarray(band * 3000, band * 3000 + frameCount);
        expect(worst(row, expected)).toBeLessThan(1e-6);
      }
    }
  });

  test("a sound that changes between the passes is an error", async () => {
    const sound = generateSpeech(1, 1);
    const measure = await measureSpeech(inBlocks(sound, [4000]));
    const shorter = whisperWindows(inBlocks(sound.subarray(0, 9000), [4000]), measure);
    await expect(Array.fromAsync(shorter)).rejects.toMatchObject({ code: "invalid_media" });
  });
});
