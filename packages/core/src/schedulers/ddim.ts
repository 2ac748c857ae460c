/**
 * DDIM (Song et al., 2020) without noise (eta 0), epsilon prediction, no thresholding.
 * Source: diffusers 0.32.2, schedulers/scheduling_ddim.py.
 */
import { LatentSyncError } from "../errors.ts";
import type { NoiseScheduleConfig } from "../model.ts";
import { alphasCumprod, leadingTimesteps } from "./noise-schedule.ts";
import type { Scheduler } from "./scheduler.ts";

const { fround } = Math;

class DdimScheduler implements Scheduler {
  readonly timesteps: readonly number[];
  readonly #alphas: Float32Array;
  readonly #finalAlpha: number;
  readonly #stride: number;

  constructor(config: NoiseScheduleConfig, steps: number) {
    this.timesteps = leadingTimesteps(config, steps);
    this.#alphas = alphasCumprod(config);
    this.#finalAlpha = config.setAlphaToOne ? 1 : (this.#alphas[0] as number);
    this.#stride = Math.floor(config.trainTimesteps / steps);
  }

  step(stepIndex: number, noisePrediction: Float32Array, sample: Float32Array): Float32Array {
    const timestep = this.timesteps[stepIndex];
    if (timestep === undefined || noisePrediction.length !== sample.length) {
      throw new LatentSyncError(
        "invalid_argument",
        `DDIM step ${stepIndex} of ${this.timesteps.length} was given ${noisePrediction.length} ` +
          `predictions for a sample of ${sample.length}.`,
      );
    }
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

/**
 * The sampler of the official pipeline.
 * @throws LatentSyncError `invalid_argument` for an impossible step count, `unsupported` for clipping.
 */
export function createDdimScheduler(config: NoiseScheduleConfig, steps: number): Scheduler {
  if (config.clipSample) {
    throw new LatentSyncError(
      "unsupported",
      "The scheduler configuration asks for clip_sample, which latent models must not have.",
      { hint: "Set clip_sample to false in scheduler_config.json." },
    );
  }
  return new DdimScheduler(config, steps);
}
