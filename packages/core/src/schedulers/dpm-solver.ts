/**
 * DPM-Solver++ (Lu et al., 2022), second-order multistep ("2M"), data prediction, midpoint.
 * Source: diffusers 0.32.2, schedulers/scheduling_dpmsolver_multistep.py, as
 * `DPMSolverMultistepScheduler` is by default: the first step and the last, which ends at the clean
 * sample, are of first order. Difference: "trailing" spacing always gives the steps that were asked for.
 */
import { cleanSample } from "./clean-sample.ts";
import type { NoiseLevel } from "./noise-schedule.ts";
import type { Sampler } from "./scheduler.ts";
import { StepCounter } from "./step-counter.ts";

const { fround } = Math;

export class DpmSolverSampler implements Sampler {
  readonly #levels: readonly NoiseLevel[];
  readonly #counter: StepCounter;
  #previousClean: Float32Array | undefined;

  constructor(levels: readonly NoiseLevel[]) {
    this.#levels = levels;
    this.#counter = new StepCounter(levels.length - 1);
  }

  step(noisePrediction: Float32Array, sample: Float32Array): Float32Array {
    const stepIndex = this.#counter.take(noisePrediction, sample);
    const now = this.#levels[stepIndex] as NoiseLevel;
    const next = this.#levels[stepIndex + 1] as NoiseLevel;
    const clean = cleanSample(now, noisePrediction, sample);
    const previousClean = this.#previousClean;
    this.#previousClean = clean;
    const stride = fround(next.lambda - now.lambda);
    const keep = fround(next.sigma / now.sigma);
    const add = fround(next.alpha * fround(fround(Math.exp(-stride)) - 1));
    if (previousClean === undefined || next.sigma === 0) {
      return sample.map((value, index) =>
        fround(fround(keep * value) - fround(add * (clean[index] as number))),
      );
    }
    const before = this.#levels[stepIndex - 1] as NoiseLevel;
    const strideRatio = fround(fround(now.lambda - before.lambda) / stride);
    const slopeScale = fround(1 / strideRatio);
    const addSlope = fround(0.5 * add);
    return sample.map((value, index) => {
      const original = clean[index] as number;
      const slope = fround(slopeScale * fround(original - (previousClean[index] as number)));
      return fround(
        fround(fround(keep * value) - fround(add * original)) - fround(addSlope * slope),
      );
    });
  }
}
