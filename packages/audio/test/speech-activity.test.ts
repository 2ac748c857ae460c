import { createSentence, createVoice, RandomNumbers, synthesizeSpeech } from "@ls/synthetic";
import { describe, expect, test } from "vitest";
import { measureSpeech } from "../src/log-mel.ts";
import { SpeechActivityMeter } from "../src/speech-activity.ts";

const RATE = 16_000;
const SAMPLES_PER_FRAME = RATE / 25;
/** A frame so far from speech must be silent: 0.4 s. */
const MARGIN_FRAMES = 10;

async function voicedFrames(samples: Float32Array): Promise<readonly boolean[]> {
  const meter = new SpeechActivityMeter();
  const blocks = (async function* () {
    for (let start = 0; start < samples.length; start += 7919) {
      yield samples.slice(start, start + 7919);
    }
  })();
  await measureSpeech(blocks, meter);
  return meter.voicedFrames(Math.floor(samples.length / SAMPLES_PER_FRAME), 25);
}

/** Sentences with pauses of one and of two seconds between, and which frames they sound in. */
function sentences(seed: number): { samples: Float32Array; spoken: readonly boolean[] } {
  const samples = new Float32Array(12 * RATE);
  const spoken = Array.from({ length: samples.length / SAMPLES_PER_FRAME }, () => false);
  let start = RATE;
  for (let index = 0; index < 3; index++) {
    const text = createSentence(10 * seed + index);
    const speech = synthesizeSpeech({ text, voice: createVoice(seed), seed, seconds: 2.2 });
    samples.set(
      speech.samples.map((sample) => sample / 2),
      start,
    );
    for (const { symbol, startSeconds, endSeconds } of speech.phones) {
      const first = Math.floor((start / RATE + startSeconds) * 25);
      const end = Math.ceil((start / RATE + endSeconds) * 25);
      if (symbol !== "sil") spoken.fill(true, first, end);
    }
    start += (2.2 + 1 + (index % 2)) * RATE;
  }
  return { samples, spoken };
}

type Sound = (index: number, random: RandomNumbers) => number;

/** Loudness as that of the sentences, which is about 0.1. */
const SOUNDS: Readonly<Record<string, Sound>> = {
  nothing: () => 0,
  "white noise": (_index, random) => random.between(-0.17, 0.17),
  hum: (index) => 0.14 * Math.sin((2 * Math.PI * 100 * index) / RATE),
  tone: (index) => 0.14 * Math.sin((2 * Math.PI * 440 * index) / RATE),
  "bursts of noise": (index, random) => (index % 28_000 < 4000 ? random.between(-0.3, 0.3) : 0),
  clicks: (index, random) => (index % 6000 < 40 ? random.between(-0.9, 0.9) : 0),
  "a melody": (index) => {
    const note = [262, 330, 392, 523][Math.floor(index / 6000) % 4] ?? 0;
    const phase = (2 * Math.PI * note * index) / RATE;
    const loudness = 0.14 * Math.exp(-(index % 6000) / 6000);
    return loudness * (1.3 * Math.sin(phase) + 0.7 * Math.sin(2 * phase));
  },
};

function withSound(samples: Float32Array, name: string, decibels: number): Float32Array {
  const random = new RandomNumbers(5);
  const gain = 10 ** (decibels / 20);
  const sound = SOUNDS[name] as Sound;
  return samples.map((sample, index) => sample + gain * sound(index, random));
}

function rates(
  voiced: readonly boolean[],
  spoken: readonly boolean[],
): { recall: number; silence: number } {
  let [heard, spokenFrames, silent, quietFrames] = [0, 0, 0, 0];
  for (const [frame, isVoiced] of voiced.entries()) {
    if (spoken[frame] === true) {
      spokenFrames++;
      if (isVoiced) heard++;
    } else if (
      !spoken.slice(Math.max(0, frame - MARGIN_FRAMES), frame + MARGIN_FRAMES).includes(true)
    ) {
      quietFrames++;
      if (!isVoiced) silent++;
    }
  }
  return { recall: heard / spokenFrames, silence: silent / quietFrames };
}

describe("speech activity", () => {
  test.each([
    ["nothing", 0, 0.99],
    ["white noise", -20, 0.99],
    ["white noise", -10, 0.88],
    ["hum", -10, 0.99],
    ["tone", -10, 0.99],
    ["bursts of noise", -10, 0.99],
    ["clicks", -10, 0.99],
    ["a melody", -10, 0.95],
  ])("speech over %s at %d dB is told from the pauses", async (name, decibels, recall) => {
    const { samples, spoken } = sentences(3);
    const found = rates(await voicedFrames(withSound(samples, name, decibels)), spoken);
    expect(found.recall).toBeGreaterThanOrEqual(recall);
    expect(found.silence).toBeGreaterThanOrEqual(0.98);
  });

  test("a melody right between two texts is none", async () => {
    const { samples } = sentences(3);
    const [from, to] = [2 * RATE, 4 * RATE];
    const melody = SOUNDS["a melody"] as Sound;
    const random = new RandomNumbers(5);
    const mixed = samples.map((sample, index) =>
      index >= from && index < to ? 0.3 * melody(index, random) : sample,
    );
    const voiced = await voicedFrames(mixed);
    expect(voiced.slice(60, 90)).not.toContain(true);
    expect(voiced.slice(30, 45)).not.toContain(false);
  });

  test.each(Object.keys(SOUNDS))("%s alone is no speech", async (name) => {
    const voiced = await voicedFrames(withSound(new Float32Array(8 * RATE), name, 0));
    expect(voiced.filter(Boolean)).toHaveLength(0);
  });

  test("a pause of 0.4 s, between two texts, is none", async () => {
    const { samples } = synthesizeSpeech({ text: "one more time", voice: createVoice(2) });
    const twice = new Float32Array(RATE + 2 * samples.length);
    twice.set(samples, RATE);
    twice.set(samples, RATE + samples.length);
    const voiced = await voicedFrames(twice);
    const first = voiced.indexOf(true);
    expect(first).toBeGreaterThan(20);
    expect(voiced.slice(first, voiced.lastIndexOf(true))).not.toContain(false);
  });

  test("does not depend on loudness", async () => {
    const { samples } = sentences(11);
    const quiet = samples.map((sample) => sample / 30);
    const loud = await voicedFrames(samples);
    const changed = (await voicedFrames(quiet)).filter((voiced, frame) => voiced !== loud[frame]);
    // At the edges, where half decibels decide.
    expect(changed.length).toBeLessThanOrEqual(4);
  });

  test("the shortest sound has an answer for every frame", async () => {
    const meter = new SpeechActivityMeter();
    meter.addSpectrum(new Float64Array(80));
    meter.addSpectrum(new Float64Array(80));
    expect(meter.voicedFrames(2, 25)).toEqual([false, false]);
  });
});
