/**
 * A small formant synthesiser after Klatt's cascade model: a glottal pulse and noise, through
 * resonators that glide from sound to sound. It says nothing, but it moves as speech does, which
 * is all that a demonstration of lip-sync needs.
 */
import { LatentSyncError } from "@ls/core";
import { speechSampleRateHz } from "./mono-resampler.ts";

export interface VoiceOptions {
  /** Length of the speech, up to an hour. */
  readonly seconds: number;
  /** The same seed gives the same speech. */
  readonly seed?: number;
}

type Formants = readonly [f1Hz: number, f2Hz: number, f3Hz: number];

/** A stretch of sound with targets that the articulators move to. */
interface Phone {
  readonly seconds: number;
  readonly formants: Formants;
  /** Loudness of the voice, 0 to 1. */
  readonly voicing: number;
  /** Loudness of friction, 0 to 1, and the frequency that it is centred on. */
  readonly friction: number;
  readonly frictionHz: number;
  /** Pitch relative to the speaker's own. */
  readonly pitch: number;
}

/** Average formants of American English vowels (Peterson and Barney 1952, men). */
const VOWELS: readonly Formants[] = [
  [270, 2290, 3010],
  [390, 1990, 2550],
  [530, 1840, 2480],
  [660, 1720, 2410],
  [730, 1090, 2440],
  [570, 840, 2410],
  [440, 1020, 2240],
  [300, 870, 2240],
  [640, 1190, 2390],
];

type Consonant = Omit<Phone, "pitch">;

/** Friction, stops (a closure, then a burst), nasals and glides. */
const CONSONANTS: readonly (readonly Consonant[])[] = [
  [{ seconds: 0.11, formants: [320, 1700, 2600], voicing: 0, friction: 0.5, frictionHz: 5500 }],
  [{ seconds: 0.12, formants: [320, 1800, 2500], voicing: 0, friction: 0.6, frictionHz: 2900 }],
  [{ seconds: 0.09, formants: [340, 1100, 2100], voicing: 0, friction: 0.2, frictionHz: 4500 }],
  [{ seconds: 0.08, formants: [320, 1700, 2600], voicing: 0.4, friction: 0.25, frictionHz: 5500 }],
  stop([200, 1100, 2150], 900, 0),
  stop([200, 1700, 2600], 4200, 0),
  stop([200, 2000, 2400], 1900, 0),
  stop([200, 1100, 2150], 900, 0.25),
  stop([200, 1700, 2600], 4200, 0.25),
  [{ seconds: 0.08, formants: [250, 1000, 2200], voicing: 0.45, friction: 0, frictionHz: 3000 }],
  [{ seconds: 0.07, formants: [250, 1700, 2600], voicing: 0.45, friction: 0, frictionHz: 3000 }],
  [{ seconds: 0.07, formants: [360, 1300, 2700], voicing: 0.6, friction: 0, frictionHz: 3000 }],
  [{ seconds: 0.07, formants: [310, 1060, 1380], voicing: 0.6, friction: 0, frictionHz: 3000 }],
  [{ seconds: 0.07, formants: [290, 610, 2150], voicing: 0.6, friction: 0, frictionHz: 3000 }],
];

function stop(formants: Formants, burstHz: number, voicing: number): readonly Consonant[] {
  return [
    { seconds: 0.06, formants, voicing, friction: 0, frictionHz: burstHz },
    { seconds: 0.02, formants, voicing, friction: 0.7, frictionHz: burstHz },
  ];
}

const SPEAKER_PITCH_HZ = 118;
const BANDWIDTHS_HZ = [70, 100, 140] as const;
const FOURTH_FORMANT_HZ = 3500;
/** Samples between updates of the filters: 2 ms. */
const CONTROL_SAMPLES = 32;
/** How fast articulators move: time constant 18 ms. */
const GLIDE = 1 - Math.exp(-CONTROL_SAMPLES / (0.018 * speechSampleRateHz));
const PEAK = 0.7;

/** Numbers in [0, 1) (mulberry32). */
class RandomNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)] as T;
  }
}

function pause(seconds: number): Phone {
  return {
    seconds,
    formants: [450, 1450, 2450],
    voicing: 0,
    friction: 0,
    frictionHz: 3000,
    pitch: 0.85,
  };
}

/** Phrases of 4 to 11 syllables with falling pitch, and breaths between them. */
function* speak(random: RandomNumbers): Generator<Phone> {
  yield pause(0.12);
  for (;;) {
    const syllables = 4 + Math.floor(random.next() * 8);
    for (let syllable = 0; syllable < syllables; syllable++) {
      const isStressed = random.next() < 0.4;
      const pitch = 1.15 - (0.3 * syllable) / syllables + (isStressed ? 0.12 : 0);
      if (random.next() < 0.9) {
        for (const consonant of random.pick(CONSONANTS)) yield { ...consonant, pitch };
      }
      yield {
        seconds: random.between(0.07, 0.12) * (isStressed ? 1.5 : 1),
        formants: random.pick(VOWELS),
        voicing: isStressed ? 1 : 0.8,
        friction: 0,
        frictionHz: 3000,
        pitch,
      };
      if (random.next() < 0.15) yield pause(0.05);
    }
    yield pause(random.between(0.25, 0.5));
  }
}

/** Two poles, unit gain at 0 Hz. */
class Resonator {
  #a = 1;
  #b = 0;
  #c = 0;
  #last = 0;
  #beforeLast = 0;

  tune(frequencyHz: number, bandwidthHz: number): void {
    const radius = Math.exp((-Math.PI * bandwidthHz) / speechSampleRateHz);
    this.#c = -radius * radius;
    this.#b = 2 * radius * Math.cos((2 * Math.PI * frequencyHz) / speechSampleRateHz);
    this.#a = 1 - this.#b - this.#c;
  }

  filter(sample: number): number {
    const output = this.#a * sample + this.#b * this.#last + this.#c * this.#beforeLast;
    this.#beforeLast = this.#last;
    this.#last = output;
    return output;
  }
}

/** Slope of Rosenberg's glottal pulse at `phase` in [0, 1): open for 60 % of a period. */
function glottalFlowSlope(phase: number): number {
  if (phase < 0.4) return Math.sin((Math.PI * phase) / 0.4) * 0.5;
  return phase < 0.6 ? -Math.sin((Math.PI * (phase - 0.4)) / 0.4) : 0;
}

class VocalTract {
  readonly #random: RandomNumbers;
  readonly #resonators: readonly Resonator[] = Array.from({ length: 4 }, () => new Resonator());
  readonly #frictionFilter: Resonator = new Resonator();
  readonly #formants: [number, number, number] = [450, 1450, 2450];
  #voicing = 0;
  #friction = 0;
  #pitch = 1;
  #phase = 0;
  #jitter = 1;

  constructor(random: RandomNumbers) {
    this.#random = random;
    this.#resonators[3]?.tune(FOURTH_FORMANT_HZ, 250);
  }

  /** Moves a step of 2 ms towards a phone. */
  moveTo(phone: Phone): void {
    for (const [index, target] of phone.formants.entries()) {
      const now = this.#formants[index] as number;
      const next = now + GLIDE * (target - now);
      this.#formants[index] = next;
      this.#resonators[index]?.tune(next, BANDWIDTHS_HZ[index] as number);
    }
    this.#voicing += GLIDE * (phone.voicing - this.#voicing);
    // Bursts are faster than the tongue.
    this.#friction += 0.5 * (phone.friction - this.#friction);
    this.#pitch += (GLIDE / 3) * (phone.pitch - this.#pitch);
    this.#frictionFilter.tune(phone.frictionHz, phone.frictionHz / 4);
  }

  next(): number {
    this.#phase += (SPEAKER_PITCH_HZ * this.#pitch * this.#jitter) / speechSampleRateHz;
    if (this.#phase >= 1) {
      this.#phase -= 1;
      this.#jitter = this.#random.between(0.985, 1.015);
    }
    const noise = this.#random.between(-1, 1);
    let voice = this.#voicing * (glottalFlowSlope(this.#phase) + 0.02 * noise);
    for (const resonator of this.#resonators) voice = resonator.filter(voice);
    return voice + this.#frictionFilter.filter(noise * this.#friction);
  }
}

function normalize(samples: Float32Array): Float32Array {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak === 0 ? samples : samples.map((sample) => (sample * PEAK) / peak);
}

/**
 * Synthesises babble that has the rhythm, pitch and spectrum of speech.
 * @returns `[seconds x 16000]` mono samples at 16 kHz, with a peak of 0.7.
 * @throws LatentSyncError `invalid_argument` if `seconds` is not over 0 and up to 3600.
 */
export function synthesizeVoice(options: VoiceOptions): Float32Array {
  const { seconds, seed = 1247 } = options;
  if (!(seconds > 0 && seconds <= 3600)) {
    throw new LatentSyncError(
      "invalid_argument",
      `seconds is ${seconds}; more than 0 and up to 3600 is expected.`,
    );
  }
  const samples = new Float32Array(Math.round(seconds * speechSampleRateHz));
  const random = new RandomNumbers(seed);
  const tract = new VocalTract(new RandomNumbers(seed ^ 0x5bd1_e995));
  let start = 0;
  for (const phone of speak(random)) {
    const end = start + phone.seconds * speechSampleRateHz;
    while (start < end && start < samples.length) {
      tract.moveTo(phone);
      const stepEnd = Math.min(start + CONTROL_SAMPLES, samples.length);
      for (; start < stepEnd; start++) samples[start] = tract.next();
    }
    if (start >= samples.length) break;
  }
  return normalize(samples);
}
