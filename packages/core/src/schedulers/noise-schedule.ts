import { LatentSyncError } from "../errors.ts";
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

/**
 * diffusers' "leading" spacing: multiples of `trainTimesteps / steps`, from high to low, plus the offset.
 * @throws LatentSyncError `invalid_argument` for a step count outside 1 to `trainTimesteps`.
 */
export function leadingTimesteps(config: NoiseScheduleConfig, steps: number): number[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > config.trainTimesteps) {
    throw new LatentSyncError(
      "invalid_argument",
      `inferenceSteps must be an integer from 1 to ${config.trainTimesteps}, but is ${steps}.`,
    );
  }
  const ratio = Math.floor(config.trainTimesteps / steps);
  return Array.from(
    { length: steps },
    (_, index) => (steps - 1 - index) * ratio + config.stepsOffset,
  );
}
