import { LatentSyncError } from "../errors.ts";

/** Counts a sampler's steps, and refuses what cannot be one. */
export class StepCounter {
  readonly #steps: number;
  #taken = 0;

  constructor(steps: number) {
    this.#steps = steps;
  }

  /** @returns the step's position in the timesteps. */
  take(noisePrediction: Float32Array, sample: Float32Array): number {
    if (this.#taken === this.#steps || noisePrediction.length !== sample.length) {
      throw new LatentSyncError(
        "invalid_argument",
        `Step ${this.#taken} of ${this.#steps} was given ${noisePrediction.length} predictions ` +
          `for a sample of ${sample.length}.`,
        { hint: "Start a sampler for each sample, and take as many steps as there are timesteps." },
      );
    }
    this.#taken += 1;
    return this.#taken - 1;
  }
}
