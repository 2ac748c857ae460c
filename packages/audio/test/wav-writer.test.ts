import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeSpeech } from "../src/speech-decoder.ts";
import { writeWav } from "../src/wav-writer.ts";
import { collect, expectFailure, temporaryFolder } from "./fixtures.ts";
import { generateSpeech } from "./generated-speech.ts";

const folder = temporaryFolder();

describe("writing WAVE files", () => {
  test("what is written decodes to the same samples", async () => {
    const voice = generateSpeech(0.5, 4);
    const path = join(folder, "voice.wav");
    await writeWav(path, voice, 16_000);
    const decoded = await collect(decodeSpeech(path));
    const levels = Int16Array.from(voice, (sample) => Math.round(sample * 32_768));
    expect(decoded).toEqual(Float32Array.from(levels, (level) => level / 32_768));
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
