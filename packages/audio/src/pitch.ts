/** How periodic a sound is, which voices are and noises are not, and with which period. */

/** Samples at 16 kHz that become one of the slower signal, in which periods are looked for. */
const DECIMATION = 4;
const RATE_HZ = 16_000 / DECIMATION;
const SHORTEST_PERIOD = RATE_HZ / 400;
const LONGEST_PERIOD = Math.round(RATE_HZ / 70);
const FRAME = 128;
const NEEDED = FRAME + LONGEST_PERIOD;
/** From one value to the next: 20 ms. */
const HOP = RATE_HZ / 50;

/** Of octaves of a period, which are about as strong, the shortest is taken. */
const ABOUT_AS_STRONG = 0.9;

/** What 20 ms of sound repeat. */
export interface Pitch {
  /** The highest normalised autocorrelation from 70 to 400 Hz: 0, noise or silence, to 1, periodic. */
  readonly strength: number;
  /** Its period in semitones, of whatever origin; of no meaning where the strength is low. */
  readonly semitones: number;
}

/** One {@link Pitch} for 20 ms of sound. */
export class PitchMeter {
  readonly #onValue: (pitch: Pitch) => void;
  readonly #scores: Float32Array = new Float32Array(LONGEST_PERIOD + 1);
  readonly #signal: Float32Array = new Float32Array(NEEDED);
  /** Samples of the slower signal in `#signal`; the first value is for the time around 0. */
  #filled: number = NEEDED >> 1;
  #sum = 0;
  #summed = 0;
  #lastMean = 0;

  constructor(onValue: (pitch: Pitch) => void) {
    this.#onValue = onValue;
  }

  push(samples: Float32Array): void {
    for (const sample of samples) {
      this.#sum += sample;
      if (++this.#summed < DECIMATION) continue;
      // Means of two neighbours: a triangle of 8 samples, zero at 4 kHz and its multiples.
      const mean = this.#sum / DECIMATION;
      this.#add((mean + this.#lastMean) / 2);
      this.#lastMean = mean;
      this.#sum = this.#summed = 0;
    }
  }

  #add(value: number): void {
    this.#signal[this.#filled++] = value;
    if (this.#filled < NEEDED) return;
    this.#onValue(this.#measure());
    this.#signal.copyWithin(0, HOP);
    this.#filled -= HOP;
  }

  #measure(): Pitch {
    const scores = this.#scores;
    scorePeriods(this.#signal, scores);
    const strength = Math.min(Math.max(0, ...scores), 1);
    const period = scores.findIndex(
      (score, at) =>
        score >= ABOUT_AS_STRONG * strength &&
        score >= (scores[at - 1] ?? 0) &&
        score >= (scores[at + 1] ?? 0),
    );
    return { strength, semitones: 12 * Math.log2(Math.max(1, period + peakShift(scores, period))) };
  }
}

/** Writes the normalised autocorrelation at each period that is looked for, and 0 at others. */
function scorePeriods(signal: Float32Array, scores: Float32Array): void {
  let energy = 0;
  for (let index = 0; index < FRAME; index++) energy += (signal[index] as number) ** 2;
  let shifted = energy;
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    const left = signal[period - 1] as number;
    const entered = signal[period + FRAME - 1] as number;
    shifted += entered * entered - left * left;
    if (period < SHORTEST_PERIOD) continue;
    let product = 0;
    for (let index = 0; index < FRAME; index++) {
      product += (signal[index] as number) * (signal[index + period] as number);
    }
    // What 16-bit sound has of rounding is no voice.
    const score = product / Math.sqrt(energy * Math.max(shifted, 0) + 1e-12);
    scores[period] = Math.max(0, score);
  }
}

/** How far from a whole period the top of the parabola through three scores lies. */
function peakShift(scores: Float32Array, period: number): number {
  const [before = 0, here = 0, after = 0] = scores.subarray(Math.max(0, period - 1), period + 2);
  const bend = before - 2 * here + after;
  return bend < 0 ? Math.max(-0.5, Math.min(0.5, (before - after) / (2 * bend))) : 0;
}
