/**
 * DDIM (Song et al., 2020) without noise (eta 0), epsilon prediction, no thresholding: the sampler of
 * the official pipeline.
 * Source: diffusers 0.32.2, schedulers/scheduling_ddim.py.
 */
import type { NoiseScheduleConfig } from "../model.ts";
import { alphasCumprod } from "./noise-schedule.ts";
import type { Sampler, Scheduler } from "./scheduler.ts";
import { StepCounter } from "./step-counter.ts";
import { ddimTimesteps } from "./timesteps.ts";

const { fround } = Math;

export class DdimScheduler implements Scheduler {
  readonly timesteps: readonly number[];
  readonly #alphas: Float32Array;
  readonly #finalAlpha: number;
  readonly #stride: number;

  constructor(config: NoiseScheduleConfig, steps: number) {
    this.timesteps = ddimTimesteps(config, steps);
    this.#alphas = alphasCumprod(config);
    this.#finalAlpha = config.setAlphaToOne ? 1 : (this.#alphas[0] as number);
    this.#stride = Math.floor(config.trainTimesteps / steps);
  }

  start(): Sampler {
    const counter = new StepCounter(this.timesteps.length);
    return {
      step: (noisePrediction, sample) =>
        this.#step(counter.take(noisePrediction, sample), noisePrediction, sample),
    };
  }

  #step(stepIndex: number, noisePrediction: Float32Array, sample: Float32Array): Float32Array {
    const timestep = this.timesteps[stepIndex] as number;
    const alpha = this.#alphas[timestep] as number;
    const previousAlpha = this.#alphas[timestep - this.#stride] ?? this.#finalAlpha;
    const rootAlpha = fround(Math.sqrt(alpha));
    const rootBeta = fround(Math.sqrt(fround(1 - alpha)));
    const previousRootAlpha = fround(Math.sqrt(previousAlpha));
    const previousRootBeta = fround(Math.sqrt(fround(1 - previousAlpha)));
    const previous = new Float32Array(sample.length);
    for (let index = 0; index < sample.length; index++) {
      const noise = noisePrediction[index] as number;
      const original = fround(
        fround((sample[index] as number) - fround(rootBeta * noise)) / rootAlpha,
      );
      previous[index] = fround(previousRootAlpha * original) + fround(previousRootBeta * noise);
    }
    return previous;
  }
}
