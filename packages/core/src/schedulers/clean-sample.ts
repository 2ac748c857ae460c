import type { NoiseLevel } from "./noise-schedule.ts";

const { fround } = Math;

/** The clean sample that a noise prediction amounts to. */
export function cleanSample(
  { alpha, sigma }: NoiseLevel,
  noisePrediction: Float32Array,
  sample: Float32Array,
): Float32Array {
  return sample.map((value, index) =>
    fround(fround(value - fround(sigma * (noisePrediction[index] as number))) / alpha),
  );
}
