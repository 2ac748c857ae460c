import type { NoiseScheduleConfig } from "../model.ts";

/**
 * Cumulative products of `1 - beta`, float32 rounded as PyTorch rounds them: betas in float32, the
 * product carried in double.
 */
export function alphasCumprod(config: NoiseScheduleConfig): Float32Array {
  const betas = noiseBetas(config);
  const result = new Float32Array(betas.length);
  let product = 1;
  for (let index = 0; index < betas.length; index++) {
    product *= Math.fround(1 - (betas[index] as number));
    result[index] = product;
  }
  return result;
}

function noiseBetas(config: NoiseScheduleConfig): Float32Array {
  const { betaStart, betaEnd, trainTimesteps } = config;
  switch (config.betaSchedule) {
    case "linear":
      return linspace(betaStart, betaEnd, trainTimesteps);
    case "scaled_linear":
      return linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), trainTimesteps).map(
        (root) => root * root,
      );
  }
}

/** `torch.linspace` in float32: counted from the nearer end. */
function linspace(start: number, end: number, count: number): Float32Array {
  const first = Math.fround(start);
  const last = Math.fround(end);
  const step = Math.fround((last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, index) =>
    index < count / 2 ? first + step * index : last - step * (count - 1 - index),
  );
}

/** How much signal and noise a sample of unit variance holds. */
export interface NoiseLevel {
  /** Factor of the clean sample. */
  readonly alpha: number;
  /** Factor of the noise. */
  readonly sigma: number;
  /** `ln(alpha / sigma)`, in which the steps of an exponential integrator are measured. */
  readonly lambda: number;
}

/** The noise at every timestep and, after the last one, none; float32 rounded as PyTorch rounds. */
export function noiseLevels(
  config: NoiseScheduleConfig,
  timesteps: readonly number[],
): readonly NoiseLevel[] {
  const { fround, sqrt } = Math;
  const alphas = alphasCumprod(config);
  const levels = timesteps.map((timestep) => {
    const signal = alphas[timestep] as number;
    const ratio = fround(sqrt(fround(fround(1 - signal) / signal)));
    const alpha = fround(1 / fround(sqrt(fround(fround(ratio * ratio) + 1))));
    const sigma = fround(ratio * alpha);
    const lambda = fround(fround(Math.log(alpha)) - fround(Math.log(sigma)));
    return { alpha, sigma, lambda };
  });
  return [...levels, { alpha: 1, sigma: 0, lambda: Infinity }];
}
