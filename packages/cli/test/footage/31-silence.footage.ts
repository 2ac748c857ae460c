import { decodeSpeech, measureSpeech, SpeechActivityMeter } from "@ls/audio";
import { createSentence, createVoice, RandomNumbers, synthesizeSpeech } from "@ls/synthetic";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { createFfmpegVideoSource, createMouthRuler } from "@ls/video";
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { createGeneratedClip, lipSync } from "./generated-clip.ts";
import { samplesOf } from "./samples.ts";

const RATE = 16_000;
const FRAMES_PER_SECOND = 25;
const SAMPLES_PER_FRAME = RATE / FRAMES_PER_SECOND;

type Sound = (index: number, random: RandomNumbers) => number;

/** Of about the loudness of 1. */
const SOUNDS: Readonly<Record<string, Sound>> = {
  "white noise": (_index, random) => random.between(-1.7, 1.7),
  hum: (index) => 1.4 * Math.sin((2 * Math.PI * 100 * index) / RATE),
  "a tone": (index) => 1.4 * Math.sin((2 * Math.PI * 440 * index) / RATE),
  clicks: (index, random) => (index % 6000 < 40 ? random.between(-9, 9) : 0),
  "a melody": (index) => {
    const note = [262, 330, 392, 523, 440, 349][Math.floor(index / 8000) % 6] ?? 0;
    const phase = (2 * Math.PI * note * index) / RATE;
    return Math.exp(-(index % 8000) / 6000) * (1.3 * Math.sin(phase) + 0.7 * Math.sin(2 * phase));
  },
};

async function voicedFrames(samples: Float32Array): Promise<readonly boolean[]> {
  const meter = new SpeechActivityMeter();
  const blocks = (async function* () {
    for (let start = 0; start < samples.length; start += RATE) {
      yield samples.slice(start, start + RATE);
    }
  })();
  await measureSpeech(blocks, meter);
  return meter.voicedFrames(Math.floor(samples.length / SAMPLES_PER_FRAME), FRAMES_PER_SECOND);
}

/** Sentences with pauses of 1 to 2 s, 24 s in all, and which frames they sound in. */
function sentences(seed: number): { samples: Float32Array; spoken: readonly boolean[] } {
  const samples = new Float32Array(24 * RATE);
  const spoken = Array.from({ length: samples.length / SAMPLES_PER_FRAME }, () => false);
  let start = 1.5 * RATE;
  for (let index = 0; start < 20 * RATE; index++) {
    const text = createSentence(10 * seed + index);
    const speech = synthesizeSpeech({ text, voice: createVoice(seed), seed: seed + index });
    const fitting = speech.samples.subarray(0, samples.length - start);
    samples.set(fitting, start);
    for (const { symbol, startSeconds, endSeconds } of speech.phones) {
      const first = Math.floor((start / RATE + startSeconds) * FRAMES_PER_SECOND);
      const end = Math.ceil((start / RATE + endSeconds) * FRAMES_PER_SECOND);
      if (symbol !== "sil") spoken.fill(true, first, Math.min(end, spoken.length));
    }
    start += speech.samples.length + (1 + (index % 3) / 2) * RATE;
  }
  return { samples, spoken };
}

describe("speech activity", () => {
  it.each([
    ["white noise", 20],
    ["white noise", 10],
    ["white noise", 5],
    ["hum", 10],
    ["a tone", 10],
    ["clicks", 10],
    ["a melody", 20],
    ["a melody", 10],
  ])("tells speech from %s %d dB below it", async (name, decibels) => {
    let [heard, wrong, spokenFrames, quiet, silent] = [0, 0, 0, 0, 0];
    for (const seed of [3, 11, 27]) {
      const { samples, spoken } = sentences(seed);
      const random = new RandomNumbers(seed);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0);
      const seconds = spoken.filter(Boolean).length / FRAMES_PER_SECOND;
      const gain = Math.sqrt(power / (seconds * RATE)) * 10 ** (-decibels / 20);
      const sound = SOUNDS[name] as Sound;
      const mixed = samples.map((sample, index) => 0.5 * (sample + gain * sound(index, random)));
      for (const [frame, voiced] of (await voicedFrames(mixed)).entries()) {
        const isFar = !spoken.slice(Math.max(0, frame - 10), frame + 11).includes(true);
        if (spoken[frame] === true) spokenFrames++;
        if (spoken[frame] === true && voiced) heard++;
        if (isFar) quiet++;
        if (isFar && !voiced) silent++;
        if (spoken[frame] !== true && voiced) wrong++;
      }
    }
    const figures = {
      recall: Number((heard / spokenFrames).toFixed(3)),
      precision: Number((heard / (heard + wrong)).toFixed(3)),
      silenceFound: Number((silent / quiet).toFixed(3)),
    };
    const passed = figures.recall >= 0.9 && figures.silenceFound >= 0.9;
    await record({
      row: 31,
      input: `generated speech with pauses, and ${name} ${decibels} dB below it, 72 s`,
      what: "frames that speak are heard; pauses 0.4 s away from speech are found",
      figures,
      passed,
    });
    expect(figures).toSatisfy(() => passed);
  });

  it.skipIf(!hasReference).each(["demo1", "demo2", "demo3"])(
    referenceTitle("hears the speech of %s"),
    async (name) => {
      const samples = await samplesOf(decodeSpeech(reference(`media/${name}_audio.wav`)));
      const voiced = await voicedFrames(samples);
      const silentFrames = voiced.filter((value) => !value).length;
      const share = Number((silentFrames / voiced.length).toFixed(3));
      // People who speak on end.
      const passed = share < 0.1;
      await record({
        row: 31,
        input: `sound of ${name}`,
        what: "little of speech on end is taken for silence",
        figures: { frames: voiced.length, silentFrames, share },
        passed,
      });
      expect(share).toBeLessThan(0.1);
    },
  );
});

const [PAUSE_START, PAUSE_END] = [0.9, 2.1];
const SECONDS = 2.56;

/** The clip's speech with music in place of a part of it. */
function withMusic(samples: Float32Array): Float32Array {
  const melody = SOUNDS["a melody"] as Sound;
  const random = new RandomNumbers(0);
  return samples.map((sample, index) => {
    const seconds = index / RATE;
    const outside = Math.max(PAUSE_START - seconds, seconds - PAUSE_END);
    const speech = Math.min(1, Math.max(0, outside / 0.03));
    return speech * sample + (1 - speech) * 0.05 * melody(index, random);
  });
}

/** Mean and deviation of the opening within the pause. */
async function mouthInPause(path: string): Promise<{ opening: number; movement: number }> {
  await using ruler = await createMouthRuler();
  await using video = await createFfmpegVideoSource().open(path);
  const openings: number[] = [];
  for await (const decoded of video.frames()) {
    using frame = decoded;
    const { index } = frame;
    const measure = await ruler.measure(await frame.toRgb(), index);
    const isPause =
      index / FRAMES_PER_SECOND > PAUSE_START + 0.25 &&
      index / FRAMES_PER_SECOND < PAUSE_END - 0.25;
    if (isPause && measure !== undefined) openings.push(measure.opening);
  }
  const mean = openings.reduce((sum, value) => sum + value, 0) / openings.length;
  const variance = openings.reduce((sum, value) => sum + (value - mean) ** 2, 0) / openings.length;
  return { opening: Number(mean.toFixed(4)), movement: Number(Math.sqrt(variance).toFixed(4)) };
}

describe("silence", () => {
  it("lets the mouth rest", async () => {
    await using clip = await createGeneratedClip(2, SECONDS);
    await clip.writeSpeech(withMusic(clip.samples));
    const keep = await mouthInPause(await lipSync(clip, "keep", { silence: "keep" }));
    const rest = await mouthInPause(await lipSync(clip, "rest", { silence: "rest" }));
    const source = await mouthInPause(clip.video);
    const passed = rest.opening <= keep.opening && rest.opening < 0.02;
    await record({
      row: 31,
      input: `a drawn person, ${SECONDS} s, with soft music for 1.2 s; the small model at 5 steps`,
      what: "the mouth is closed while nobody speaks (opening and its deviation)",
      figures: {
        rest: rest.opening,
        keep: keep.opening,
        source: source.opening,
        restMovement: rest.movement,
        keepMovement: keep.movement,
      },
      passed,
    });
    expect({ rest, keep, passed }).toMatchObject({ passed: true });
  });
});
