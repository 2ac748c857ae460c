/** A sampler: from noise to a sample in a fixed number of model evaluations. */
export interface Scheduler {
  /** Training timesteps to evaluate the model at, in order. */
  readonly timesteps: readonly number[];
  /**
   * One step: the sample at the next timestep.
   * @param stepIndex position in `timesteps`; steps are taken in order.
   * @param noisePrediction what the model made of `sample`; same length.
   * @returns a new array.
   */
  step(stepIndex: number, noisePrediction: Float32Array, sample: Float32Array): Float32Array;
}
