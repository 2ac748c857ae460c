import type { NoiseScheduleConfig } from "../model.ts";
import { type NoiseLevel, noiseLevels } from "./noise-schedule.ts";
import type { Sampler, Scheduler } from "./scheduler.ts";
import { multistepTimesteps, type TimestepSpacing } from "./timesteps.ts";

/**
 * A solver that goes from one noise level to the next and remembers what was before.
 * @param options.createSampler makes the solver of one sample; the levels are those of the timesteps,
 *   and the clean one after them.
 */
export function createMultistepScheduler(options: {
  readonly config: NoiseScheduleConfig;
  readonly steps: number;
  readonly spacing: TimestepSpacing;
  readonly createSampler: (levels: readonly NoiseLevel[]) => Sampler;
}): Scheduler {
  const { config, steps, spacing, createSampler } = options;
  const timesteps = multistepTimesteps(config, steps, spacing);
  const levels = noiseLevels(config, timesteps);
  return { timesteps, start: () => createSampler(levels) };
}
