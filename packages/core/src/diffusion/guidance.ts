/** Classifier-free guidance against silence, in all steps or in a band of them. */
import type { NoisePrediction } from "./noise-predictor.ts";

/**
 * Part of the steps, as fractions: a step is in it if its middle is, so that `[0, 1]` is all of them
 * and `[0.25, 0.75]` the 10 in the middle of 20.
 */
export type StepInterval = readonly [start: number, end: number];

export interface Guidance {
  /** Over 1: away from silence; 1 or less: no guidance. */
  readonly scale: number;
  /**
   * Where guidance is applied. In the noisiest steps it moves the sample off, and in the last ones it
   * changes little (Kynkäänniemi et al., 2024, arXiv 2404.07724); without it a step is half the work.
   */
  readonly interval: StepInterval;
}

/** Whether a step needs the noise as silence has it. */
export function isGuided({ scale, interval }: Guidance, stepIndex: number, steps: number): boolean {
  const [start, end] = interval;
  const middle = (stepIndex + 0.5) / steps;
  return scale > 1 && middle >= start && middle < end;
}

/** In how many of the steps guidance is applied. */
export function guidanceUse(guidance: Guidance, steps: number): "all" | "some" | "none" {
  const guided = Array.from({ length: steps }, (_, index) => isGuided(guidance, index, steps));
  if (guided.every(Boolean)) return "all";
  return guided.some(Boolean) ? "some" : "none";
}

/** `unconditional + scale * (conditional - unconditional)`, where there are both. */
export function guide(
  { conditional, unconditional }: NoisePrediction,
  { scale }: Guidance,
): Float32Array {
  if (unconditional === undefined) return conditional;
  const { fround } = Math;
  return conditional.map((value, index) => {
    const silence = unconditional[index] as number;
    return silence + fround(scale * fround(value - silence));
  });
}
