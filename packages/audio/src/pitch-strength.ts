/** How periodic a sound is: what voices have and noises lack. */

/** Samples at 16 kHz that become one of the slower signal, in which periods are looked for. */
const DECIMATION = 4;
const RATE_HZ = 16_000 / DECIMATION;
const SHORTEST_PERIOD = RATE_HZ / 400;
const LONGEST_PERIOD = Math.round(RATE_HZ / 70);
const FRAME = 128;
const NEEDED = FRAME + LONGEST_PERIOD;
/** From one value to the next: 20 ms. */
const HOP = RATE_HZ / 50;

/** One value for 20 ms of sound: the highest normalised autocorrelation from 70 to 400 Hz. */
export class PitchStrength {
  readonly #onValue: (strength: number) => void;
  readonly #signal: Float32Array = new Float32Array(NEEDED);
  /** Samples of the slower signal in `#signal`; the first value is for the time around 0. */
  #filled: number = NEEDED >> 1;
  #sum = 0;
  #summed = 0;
  #lastMean = 0;

  /** @param onValue receives 0, noise or silence, to 1, periodic. */
  constructor(onValue: (strength: number) => void) {
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
    this.#onValue(strongestPeriod(this.#signal));
    this.#signal.copyWithin(0, HOP);
    this.#filled -= HOP;
  }
}

function strongestPeriod(signal: Float32Array): number {
  let energy = 0;
  for (let index = 0; index < FRAME; index++) energy += (signal[index] as number) ** 2;
  let shifted = energy;
  let strongest = 0;
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    const left = signal[period - 1] as number;
    const entered = signal[period + FRAME - 1] as number;
    shifted += entered * entered - left * left;
    if (period < SHORTEST_PERIOD) continue;
    let product = 0;
    for (let index = 0; index < FRAME; index++) {
      product += (signal[index] as number) * (signal[index + period] as number);
    }
    if (product <= 0) continue;
    // What 16-bit sound has of rounding is no voice.
    strongest = Math.max(strongest, product / Math.sqrt(energy * Math.max(shifted, 0) + 1e-12));
  }
  return Math.min(strongest, 1);
}
