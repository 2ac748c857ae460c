import type { RandomNumbers } from "../random.ts";
import type { Voice } from "./voice.ts";

/** Frequencies in Hz at which pitch flutters (Klatt and Klatt 1990). */
const FLUTTER_HZ = [12.7, 7.1, 4.7] as const;
const FLUTTER_DEPTH = 0.002;

/**
 * The voice's source: the slope of Rosenberg's glottal pulse, whose jump at closure is rounded over
 * two samples (polynomial band-limited step), so that it does not alias.
 */
export class Glottis {
  readonly #voice: Voice;
  readonly #random: RandomNumbers;
  readonly #sampleRateHz: number;
  #phase = 0;
  #periodScale = 1;
  #amplitude = 1;
  #sampleIndex = 0;

  constructor(
    voice: Voice,
    { random, sampleRateHz }: { readonly random: RandomNumbers; readonly sampleRateHz: number },
  ) {
    this.#voice = voice;
    this.#random = random;
    this.#sampleRateHz = sampleRateHz;
  }

  /** True while air flows. */
  get isOpen(): boolean {
    return this.#phase < this.#voice.openQuotient;
  }

  /** Pitch for the next samples, with flutter. */
  flutter(pitchHz: number): number {
    const seconds = this.#sampleIndex / this.#sampleRateHz;
    let sum = 0;
    for (const frequencyHz of FLUTTER_HZ) sum += Math.sin(2 * Math.PI * frequencyHz * seconds);
    return pitchHz * (1 + FLUTTER_DEPTH * sum);
  }

  next(pitchHz: number): number {
    const { openQuotient, jitter, shimmer } = this.#voice;
    const step = (pitchHz * this.#periodScale) / this.#sampleRateHz;
    this.#phase += step;
    this.#sampleIndex++;
    if (this.#phase >= 1) {
      this.#phase -= 1;
      this.#periodScale = 1 + jitter * this.#random.between(-1.7, 1.7);
      this.#amplitude = 1 + shimmer * this.#random.between(-1.7, 1.7);
    }
    return this.#amplitude * pulseSlope(this.#phase, step, openQuotient);
  }
}

/** Slope of u^2 (1 - u) over the open part of a period; it jumps from -1 to 0 at closure. */
function pulseSlope(phase: number, step: number, openQuotient: number): number {
  const u = phase / openQuotient;
  const slope = u < 1 ? u * (2 - 3 * u) : 0;
  const distance = (phase - openQuotient) / step;
  if (distance <= -1 || distance >= 1) return slope;
  return distance < 0
    ? slope + 0.5 * (1 + distance) * (1 + distance)
    : slope - 0.5 * (1 - distance) * (1 - distance);
}
