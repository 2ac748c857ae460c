import { LatentSyncError } from "@ls/core";
import { RandomNumbers } from "../random.ts";

/** How a speaker sounds. */
export interface Voice {
  /** Median fundamental frequency, 80 to 320 Hz. */
  readonly pitchHz: number;
  /** How far intonation moves, 1 = common. */
  readonly intonationRange: number;
  /** Length of the vocal tract relative to a man's of 17 cm: about 0.7 (child) to 1.08. */
  readonly tractLength: number;
  /** How far vowels keep away from the middle of the vowel space, 1 = common. */
  readonly vowelSpace: number;
  /** Bandwidths of the formants relative to the common ones: more is duller. */
  readonly bandwidthScale: number;
  /** Part of a glottal period in which air flows, 0.4 to 0.8. */
  readonly openQuotient: number;
  /** Loss of the voice's spectrum at 3 kHz, beyond a clear voice's, in dB. */
  readonly tiltDb: number;
  /** Noise of air in the voice, 0 to 1. */
  readonly breathiness: number;
  /** Random part of each period's length. */
  readonly jitter: number;
  /** Random part of each period's amplitude. */
  readonly shimmer: number;
  /** Loudness of fricatives and bursts, 1 = common. */
  readonly frication: number;
  /** Speed, 1 = about 4.5 syllables a second. */
  readonly speakingRate: number;
}

/** A man's voice in the middle of every range. */
export const neutralVoice: Voice = {
  pitchHz: 118,
  intonationRange: 1,
  tractLength: 1,
  vowelSpace: 1,
  bandwidthScale: 1,
  openQuotient: 0.6,
  tiltDb: 2,
  breathiness: 0.25,
  jitter: 0.004,
  shimmer: 0.04,
  frication: 1,
  speakingRate: 1,
};

/** Ranges of pitch and of the vocal tract's length for men, women and children. */
const SPEAKERS = [
  { pitchHz: [80, 165], tractLength: [0.93, 1.08] },
  { pitchHz: [155, 265], tractLength: [0.8, 0.92] },
  { pitchHz: [220, 320], tractLength: [0.7, 0.82] },
] as const;

/**
 * A random speaker: two in five are men, two women, one is a child. Each seed is another voice; by
 * convention seeds below 1,000,000 are for training and those from there on are held out.
 *
 * @param seed integer from 0 to 2^32 - 1
 * @throws LatentSyncError `invalid_argument` for any other seed.
 */
export function createVoice(seed: number): Voice {
  const random = new RandomNumbers(checkSeed(seed) ^ 0x3c6e_f372);
  const kind = random.next();
  const speaker = SPEAKERS[kind < 0.4 ? 0 : kind < 0.8 ? 1 : 2];
  const logPitch = random.between(Math.log(speaker.pitchHz[0]), Math.log(speaker.pitchHz[1]));
  return {
    pitchHz: Math.exp(logPitch),
    intonationRange: random.between(0.5, 1.6),
    tractLength: random.between(speaker.tractLength[0], speaker.tractLength[1]),
    vowelSpace: random.between(0.85, 1.12),
    bandwidthScale: random.between(0.85, 1.5),
    openQuotient: random.between(0.48, 0.74),
    tiltDb: random.between(0, 7),
    breathiness: random.next() ** 2 * 0.8 + 0.08,
    jitter: random.between(0.002, 0.011),
    shimmer: random.between(0.02, 0.09),
    frication: random.between(0.6, 1.5),
    speakingRate: random.between(0.82, 1.25),
  };
}

/** @returns the seed */
export function checkSeed(seed: number): number {
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new LatentSyncError(
    "invalid_argument",
    `seed is ${seed}; an integer from 0 to 4294967295 is expected.`,
    { hint: "Pass a small whole number: each one gives another result." },
  );
}
