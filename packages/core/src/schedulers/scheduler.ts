/** The sampler seam: from noise to a sample in a fixed number of model evaluations. */
export interface Scheduler {
  /** Training timesteps to evaluate the model at, in order. */
  readonly timesteps: readonly number[];
  /** Begins with a new sample. What a multistep method remembers is the sampler's alone. */
  start(): Sampler;
}

/** Takes one sample, of one chunk or of several together, through all steps once. */
export interface Sampler {
  /**
   * The next step: the sample at the timestep after.
   * @param noisePrediction what the model made of `sample`; same length.
   * @returns a new array.
   * @throws LatentSyncError `invalid_argument` after the last step, or for lengths that differ.
   */
  step(noisePrediction: Float32Array, sample: Float32Array): Float32Array;
}
