/** What two poles at a frequency, of a bandwidth, feed back of the last output and the one before. */
function feedback(
  frequencyHz: number,
  bandwidthHz: number,
  sampleRateHz: number,
): readonly [last: number, beforeLast: number] {
  const radius = Math.exp((-Math.PI * bandwidthHz) / sampleRateHz);
  return [2 * radius * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz), -radius * radius];
}

/** Klatt's resonator: two poles, gain 1 at 0 Hz. */
export class Resonator {
  #a = 1;
  #b = 0;
  #c = 0;
  #last = 0;
  #beforeLast = 0;

  tune(frequencyHz: number, bandwidthHz: number, sampleRateHz: number): void {
    [this.#b, this.#c] = feedback(frequencyHz, bandwidthHz, sampleRateHz);
    this.#a = 1 - this.#b - this.#c;
  }

  filter(sample: number): number {
    const output = this.#a * sample + this.#b * this.#last + this.#c * this.#beforeLast;
    this.#beforeLast = this.#last;
    this.#last = output;
    return output;
  }
}

/** Klatt's anti-resonator: two zeros, gain 1 at 0 Hz. */
export class AntiResonator {
  #a = 1;
  #b = 0;
  #c = 0;
  #last = 0;
  #beforeLast = 0;

  tune(frequencyHz: number, bandwidthHz: number, sampleRateHz: number): void {
    const [b, c] = feedback(frequencyHz, bandwidthHz, sampleRateHz);
    this.#a = 1 / (1 - b - c);
    this.#b = -b * this.#a;
    this.#c = -c * this.#a;
  }

  filter(sample: number): number {
    const output = this.#a * sample + this.#b * this.#last + this.#c * this.#beforeLast;
    this.#beforeLast = this.#last;
    this.#last = sample;
    return output;
  }
}

/** Two poles, zeros at 0 Hz and at half the sample rate, gain 1 at the centre. */
export class BandPass {
  #a = 0;
  #b = 0;
  #c = 0;
  #last = 0;
  #beforeLast = 0;
  #lastInput = 0;
  #inputBeforeLast = 0;

  tune(frequencyHz: number, bandwidthHz: number, sampleRateHz: number): void {
    [this.#b, this.#c] = feedback(frequencyHz, bandwidthHz, sampleRateHz);
    this.#a = (1 + this.#c) / 2;
  }

  filter(sample: number): number {
    const output =
      this.#a * (sample - this.#inputBeforeLast) +
      this.#b * this.#last +
      this.#c * this.#beforeLast;
    this.#inputBeforeLast = this.#lastInput;
    this.#lastInput = sample;
    this.#beforeLast = this.#last;
    this.#last = output;
    return output;
  }
}

/** One pole, gain 1 at 0 Hz. */
export class LowPass {
  #a = 1;
  #last = 0;

  tune(cutoffHz: number, sampleRateHz: number): void {
    this.#a = 1 - Math.exp((-2 * Math.PI * cutoffHz) / sampleRateHz);
  }

  filter(sample: number): number {
    this.#last += this.#a * (sample - this.#last);
    return this.#last;
  }
}
