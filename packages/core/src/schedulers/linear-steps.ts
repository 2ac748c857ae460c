/** Samplers as numbers: for graphs that take several steps at once. */
import type { Scheduler } from "./scheduler.ts";

/**
 * One step of a sampler that is linear and remembers one step back: of the sample `x`, the noise `e`
 * in it and what the step before has left, `h`, it makes `sample * x + noise * e + h`, and leaves
 * `keepSample * x + keepNoise * e` to the next.
 */
export interface LinearStep {
  readonly sample: number;
  readonly noise: number;
  readonly keepSample: number;
  readonly keepNoise: number;
}

/**
 * The steps of DDIM, DPM-Solver++ 2M and any other sampler of that kind, found by giving it a one at
 * a single step and zeros at all others.
 * @returns `undefined` for a sampler that remembers more.
 */
export function linearSteps(scheduler: Scheduler): readonly LinearStep[] | undefined {
  const steps = scheduler.timesteps.length;
  const sampler = scheduler.start();
  // Elements are taken apart by any sampler: the first `steps` probe samples, the others noise.
  const results = scheduler.timesteps.map((_, step) => {
    const probe = (first: number): Float32Array => {
      const values = new Float32Array(2 * steps);
      values[first + step] = 1;
      return values;
    };
    return sampler.step(probe(steps), probe(0));
  });
  const effect = (of: number, on: number): number => results[on]?.[of] ?? 0;
  for (let step = 0; step < steps; step++) {
    for (let later = step + 2; later < steps; later++) {
      if (effect(step, later) !== 0 || effect(steps + step, later) !== 0) return undefined;
    }
  }
  return results.map((_, step) => ({
    sample: effect(step, step),
    noise: effect(steps + step, step),
    keepSample: effect(step, step + 1),
    keepNoise: effect(steps + step, step + 1),
  }));
}
