/**
 * UniPC (Zhao et al., 2023) of second order with B2(h), data prediction: every model evaluation also
 * corrects the step that led to it.
 * Source: diffusers 0.32.2, schedulers/scheduling_unipc_multistep.py, as `UniPCMultistepScheduler` is
 * by default: the first step and the last are of first order. Difference: as for DPM-Solver++.
 */
import { cleanSample } from "./clean-sample.ts";
import type { NoiseLevel } from "./noise-schedule.ts";
import type { Sampler } from "./scheduler.ts";
import { StepCounter } from "./step-counter.ts";

const { fround } = Math;

/** Where a step of the predictor began, and what was known there. */
interface Departure {
  readonly sample: Float32Array;
  readonly clean: Float32Array;
  /** Of the step before, if it was of second order. */
  readonly previousClean: Float32Array | undefined;
}

export class UniPcSampler implements Sampler {
  readonly #levels: readonly NoiseLevel[];
  readonly #counter: StepCounter;
  #departure: Departure | undefined;

  constructor(levels: readonly NoiseLevel[]) {
    this.#levels = levels;
    this.#counter = new StepCounter(levels.length - 1);
  }

  step(noisePrediction: Float32Array, predicted: Float32Array): Float32Array {
    const stepIndex = this.#counter.take(noisePrediction, predicted);
    const clean = cleanSample(this.#level(stepIndex), noisePrediction, predicted);
    const last = this.#departure;
    const sample = last === undefined ? predicted : this.#correct(stepIndex, last, clean);
    const isLast = stepIndex === this.#levels.length - 2;
    const departure = { sample, clean, previousClean: isLast ? undefined : last?.clean };
    this.#departure = departure;
    return this.#predict(stepIndex, departure);
  }

  #level(index: number): NoiseLevel {
    return this.#levels[index] as NoiseLevel;
  }

  /** UniP: the sample at the next timestep. */
  #predict(stepIndex: number, { sample, clean, previousClean }: Departure): Float32Array {
    const { stride, keep, add } = coefficients(this.#level(stepIndex), this.#level(stepIndex + 1));
    if (previousClean === undefined) {
      return sample.map((value, index) =>
        fround(fround(keep * value) - fround(add * (clean[index] as number))),
      );
    }
    const ratio = this.#strideRatio(stepIndex, stride);
    return sample.map((value, index) => {
      const original = clean[index] as number;
      const slope = fround(fround((previousClean[index] as number) - original) / ratio);
      const first = fround(fround(keep * value) - fround(add * original));
      return fround(first - fround(add * fround(0.5 * slope)));
    });
  }

  /** UniC: the sample at this timestep, now that the model's word on the predicted one is known. */
  #correct(stepIndex: number, departure: Departure, arrived: Float32Array): Float32Array {
    const { sample, clean, previousClean } = departure;
    const { stride, keep, add } = coefficients(this.#level(stepIndex - 1), this.#level(stepIndex));
    const ratio = previousClean === undefined ? 1 : this.#strideRatio(stepIndex - 1, stride);
    const [pastWeight, arrivedWeight] =
      previousClean === undefined ? [0, 0.5] : correctorWeights(stride, ratio);
    return sample.map((value, index) => {
      const original = clean[index] as number;
      const past = previousClean === undefined ? original : (previousClean[index] as number);
      const pastSlope = fround(fround(past - original) / ratio);
      const arrivedSlope = fround((arrived[index] as number) - original);
      const first = fround(fround(keep * value) - fround(add * original));
      const correction = fround(
        fround(pastWeight * pastSlope) + fround(arrivedWeight * arrivedSlope),
      );
      return fround(first - fround(add * correction));
    });
  }

  /** The stride before the step at `stepIndex`, backwards, in strides of the step itself. */
  #strideRatio(stepIndex: number, stride: number): number {
    const before = this.#level(stepIndex - 1).lambda;
    return fround(fround(before - this.#level(stepIndex).lambda) / stride);
  }
}

function coefficients(
  from: NoiseLevel,
  to: NoiseLevel,
): { readonly stride: number; readonly keep: number; readonly add: number } {
  const stride = fround(to.lambda - from.lambda);
  const keep = fround(to.sigma / from.sigma);
  return { stride, keep, add: fround(to.alpha * fround(Math.expm1(-stride))) };
}

/** Weights of the slopes to the sample before and to the one arrived at, which fit both. */
function correctorWeights(stride: number, ratio: number): readonly [number, number] {
  const scale = fround(Math.expm1(-stride));
  const phi1 = fround(fround(scale / -stride) - 1);
  const phi2 = fround(fround(phi1 / -stride) - 0.5);
  const sum = fround(phi1 / scale);
  const moment = fround(fround(phi2 * 2) / scale);
  const past = fround(fround(sum - moment) / fround(1 - ratio));
  return [past, fround(sum - past)];
}
