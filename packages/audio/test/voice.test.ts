import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { logMelSpectrogram } from "../src/log-mel.ts";
import { decodeSpeech } from "../src/speech-decoder.ts";
import { synthesizeVoice } from "../src/voice.ts";
import { writeWav } from "../src/wav-writer.ts";
import { collect, expectFailure, temporaryFolder } from "./fixtures.ts";

const folder = temporaryFolder();

describe("the synthetic voice", () => {
  test("has the length and the peak that it promises, and its seed decides", () => {
    const voice = synthesizeVoice({ seconds: 2.5, seed: 1 });
    expect(voice).toHaveLength(40_000);
    expect(voice.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0)).toBeCloseTo(0.7, 5);
    expect(synthesizeVoice({ seconds: 2.5, seed: 1 })).toEqual(voice);
    expect(synthesizeVoice({ seconds: 2.5, seed: 2 })).not.toEqual(voice);
  });

  test("has pauses, low voiced stretches and high friction, as speech has", () => {
    const voice = synthesizeVoice({ seconds: 20, seed: 7 });
    const mel = logMelSpectrogram(voice);
    const frames = mel.length / 80;
    let silent = 0;
    let voiced = 0;
    let hissing = 0;
    for (let frame = 0; frame < frames; frame++) {
      const band = (first: number, last: number): number => {
        let sum = 0;
        for (let row = first; row < last; row++) sum += mel[row * frames + frame] as number;
        return sum / (last - first);
      };
      const low = band(2, 20);
      const high = band(60, 80);
      if (low < 0.2 && high < 0.2) silent++;
      else if (high > low) hissing++;
      else voiced++;
    }
    expect(silent / frames).toBeGreaterThan(0.05);
    expect(silent / frames).toBeLessThan(0.4);
    expect(voiced / frames).toBeGreaterThan(0.4);
    expect(hissing / frames).toBeGreaterThan(0.01);
  });

  test.each([0, -1, Number.NaN, 3601])("%d seconds are refused", (seconds) => {
    expect(() => synthesizeVoice({ seconds })).toThrow(/more than 0 and up to 3600/);
  });
});

describe("writing WAVE files", () => {
  test("what is written decodes to the same samples", async () => {
    const voice = synthesizeVoice({ seconds: 0.5, seed: 4 });
    const path = join(folder, "voice.wav");
    await writeWav(path, voice, 16_000);
    const decoded = await collect(decodeSpeech(path));
    expect(decoded).toEqual(voice.map((sample) => Math.round(sample * 32_768) / 32_768));
    expect((await readFile(path)).length).toBe(44 + 16_000);
  });

  test("samples over full scale are clipped", async () => {
    const path = join(folder, "loud.wav");
    await writeWav(path, Float32Array.of(2, -2, 1), 16_000);
    expect([...(await collect(decodeSpeech(path)))]).toEqual([
      32_767 / 32_768,
      -1,
      32_767 / 32_768,
    ]);
  });

  test("failures leave nothing behind", async () => {
    const samples = new Float32Array(10);
    await expectFailure(
      writeWav(join(folder, "none", "a.wav"), samples, 16_000),
      "io",
      /Cannot write/,
    );
    await expectFailure(writeWav(folder, samples, 16_000), "io", /Cannot write/);
    await expectFailure(
      writeWav(join(folder, "a.wav"), samples, 0),
      "invalid_argument",
      /positive/,
    );
    expect((await readdir(folder)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});
