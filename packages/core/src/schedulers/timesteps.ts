/** Which training timesteps a model is evaluated at, as diffusers 0.32.2 spaces them. */
import { LatentSyncError } from "../errors.ts";
import type { NoiseScheduleConfig } from "../model.ts";

/**
 * How steps are spread over the training timesteps, by diffusers' names: `leading` counts from the
 * clean end, so that the first step lies below the noisiest timestep; `linspace` and `trailing` begin
 * at the noisiest.
 */
export type TimestepSpacing = "leading" | "linspace" | "trailing";

/**
 * DDIM's, "leading": multiples of `trainTimesteps / steps`, from high to low, plus the offset.
 * @throws LatentSyncError `invalid_argument` for a step count that there is no room for.
 */
export function ddimTimesteps(config: NoiseScheduleConfig, steps: number): readonly number[] {
  checkSteps(config, steps);
  const stride = Math.floor(config.trainTimesteps / steps);
  return checkRoom(
    config,
    Array.from({ length: steps }, (_, index) => (steps - 1 - index) * stride + config.stepsOffset),
  );
}

/**
 * Those of the multistep samplers, which end at the clean sample rather than at timestep 0.
 * @throws LatentSyncError `invalid_argument` for a step count that there is no room for.
 */
export function multistepTimesteps(
  config: NoiseScheduleConfig,
  steps: number,
  spacing: TimestepSpacing,
): readonly number[] {
  checkSteps(config, steps);
  const { trainTimesteps, stepsOffset } = config;
  const at = timestepAt[spacing];
  return checkRoom(
    config,
    Array.from({ length: steps }, (_, index) => at(index, steps, trainTimesteps, stepsOffset)),
  );
}

const timestepAt: Readonly<
  Record<TimestepSpacing, (index: number, steps: number, train: number, offset: number) => number>
> = {
  leading: (index, steps, train, offset) =>
    (steps - index) * Math.floor(train / (steps + 1)) + offset,
  linspace: (index, steps, train) => roundHalfToEven((steps - index) * ((train - 1) / steps)),
  trailing: (index, steps, train) => roundHalfToEven(train - index * (train / steps)) - 1,
};

/** As NumPy rounds. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function checkSteps({ trainTimesteps }: NoiseScheduleConfig, steps: number): void {
  if (Number.isInteger(steps) && steps >= 1 && steps <= trainTimesteps) return;
  throw new LatentSyncError(
    "invalid_argument",
    `inferenceSteps must be an integer from 1 to ${trainTimesteps}, but is ${steps}.`,
    { hint: "Usual values are 5 to 50." },
  );
}

/** Offsets push the first of very many timesteps out of the schedule, and strides shrink to nothing. */
function checkRoom(
  { trainTimesteps }: NoiseScheduleConfig,
  timesteps: readonly number[],
): readonly number[] {
  const inOrder = timesteps.every((value, index) => value < (timesteps[index - 1] ?? Infinity));
  if (inOrder && (timesteps[0] as number) < trainTimesteps) return timesteps;
  throw new LatentSyncError(
    "invalid_argument",
    `${timesteps.length} inference steps do not fit into the ${trainTimesteps} timesteps that the model was trained with.`,
    { hint: "Take fewer steps: results no longer change beyond 50 or so." },
  );
}
