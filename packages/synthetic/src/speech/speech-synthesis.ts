import { LatentSyncError } from "@ls/core";
import type { Articulation } from "../articulation.ts";
import { RandomNumbers } from "../random.ts";
import { AcousticFrame, AcousticTrack } from "./acoustic-track.ts";
import { ArticulationTrack } from "./articulation-track.ts";
import { drawPitch } from "./pitch.ts";
import { timeText, type TimedSound } from "./utterance.ts";
import { VocalTract } from "./vocal-tract.ts";
import { checkSeed, type Voice } from "./voice.ts";

/** One sound of an utterance. */
export interface Phone {
  /** ARPAbet without stress, or `sil` for a pause. */
  readonly symbol: string;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

export interface SpeechOptions {
  /** English. Words that the lexicon lacks are pronounced by rules, numbers digit by digit. */
  readonly text: string;
  readonly voice: Voice;
  /** Of timing, accents and noise: an integer from 0 to 2^32 - 1; 0 if not given. */
  readonly seed?: number;
  /**
   * Length, over 0 and up to 3600: the text is said again and again, with pauses, and cut off there.
   * Without it, the text is said once.
   */
  readonly seconds?: number;
}

/** Speech, and what the mouth did to make it. */
export interface SyntheticSpeech {
  readonly sampleRateHz: 16000;
  /** Mono; the loudest sample is at 0.7. */
  readonly samples: Float32Array;
  /** In order, from 0 to the end, without gaps. */
  readonly phones: readonly Phone[];
  /**
   * Lips, teeth and tongue at a time: a smooth function of the phones alone, whatever the voice.
   * Before the start and after the end it is as there.
   */
  articulationAt(seconds: number): Articulation;
}

const SAMPLE_RATE_HZ = 16_000;
/** Samples between updates of the vocal tract: 2 ms. */
const BLOCK_SAMPLES = 32;
const BLOCK_SECONDS = BLOCK_SAMPLES / SAMPLE_RATE_HZ;
const PEAK = 0.7;
const LONGEST_SECONDS = 3600;

/**
 * Says a text with a formant synthesiser. The same options give the same samples.
 *
 * @throws LatentSyncError `invalid_argument` if the text has no letter from A to Z, `seconds` is not
 *   over 0 and up to 3600, or the seed is not an integer from 0 to 2^32 - 1.
 */
export function synthesizeSpeech(options: SpeechOptions): SyntheticSpeech {
  const { text, voice, seed = 0, seconds } = options;
  checkSeed(seed);
  checkSeconds(seconds);
  const sounds = timeText(text, {
    speakingRate: voice.speakingRate,
    random: new RandomNumbers(seed ^ 0x510e_527f),
    seconds,
  });
  const track = new ArticulationTrack(sounds);
  return {
    sampleRateHz: SAMPLE_RATE_HZ,
    samples: normalize(render(sounds, voice, seed)),
    phones: sounds.map(({ symbol, startSeconds, endSeconds }) => ({
      symbol,
      startSeconds,
      endSeconds,
    })),
    articulationAt: (time) => track.at(time),
  };
}

function checkSeconds(seconds: number | undefined): void {
  if (seconds === undefined || (seconds > 0 && seconds <= LONGEST_SECONDS)) return;
  throw new LatentSyncError(
    "invalid_argument",
    `seconds is ${seconds}; more than 0 and up to ${LONGEST_SECONDS} is expected.`,
    { hint: "Leave seconds out to say the text once." },
  );
}

function render(sounds: readonly TimedSound[], voice: Voice, seed: number): Float32Array {
  const seconds = sounds.at(-1)?.endSeconds ?? 0;
  const samples = new Float32Array(Math.round(seconds * SAMPLE_RATE_HZ));
  const random = new RandomNumbers(seed ^ 0x9b05_688c);
  const pitchHz = drawPitch(sounds, voice, { stepSeconds: BLOCK_SECONDS, random });
  const track = new AcousticTrack(sounds, voice);
  const tract = new VocalTract(voice, { random, sampleRateHz: SAMPLE_RATE_HZ });
  const frame = new AcousticFrame();
  for (let start = 0; start < samples.length; start += BLOCK_SAMPLES) {
    const block = samples.subarray(start, start + BLOCK_SAMPLES);
    const blockIndex = start / BLOCK_SAMPLES;
    track.read((blockIndex + 1) * BLOCK_SECONDS, frame);
    tract.render(block, frame, pitchHz[blockIndex] as number);
  }
  return samples;
}

function normalize(samples: Float32Array): Float32Array {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak === 0 ? samples : samples.map((sample) => (sample * PEAK) / peak);
}
