import { LatentSyncError } from "../errors.ts";
import type { NoiseScheduleConfig } from "../model.ts";
import { DdimScheduler } from "./ddim.ts";
import { DpmSolverSampler } from "./dpm-solver.ts";
import { createMultistepScheduler } from "./multistep-scheduler.ts";
import type { Scheduler } from "./scheduler.ts";
import type { TimestepSpacing } from "./timesteps.ts";
import { UniPcSampler } from "./unipc.ts";

/** Samplers by name: the official pipeline's, and two that need about half as many steps. */
export const SCHEDULERS = ["ddim", "dpmsolver++", "unipc"] as const;
export type SchedulerName = (typeof SCHEDULERS)[number];

/**
 * A sampler, as diffusers configures it from the model's `scheduler_config.json`.
 * @param options.steps model evaluations, from 1.
 * @param options.spacing of the multistep samplers; DDIM's is `leading` whatever is said. Default `leading`.
 * @throws LatentSyncError `invalid_argument` for a step count that the schedule has no room for,
 *   `unsupported` for a name that there is not, and for clipping.
 */
export function createScheduler(options: {
  readonly name: SchedulerName;
  readonly config: NoiseScheduleConfig;
  readonly steps: number;
  readonly spacing?: TimestepSpacing;
}): Scheduler {
  const { name, config, steps, spacing = "leading" } = options;
  if (config.clipSample) {
    throw new LatentSyncError(
      "unsupported",
      "The scheduler configuration asks for clip_sample, which latent models must not have.",
      { hint: "Set clip_sample to false in scheduler_config.json." },
    );
  }
  switch (name) {
    case "ddim":
      return new DdimScheduler(config, steps);
    case "dpmsolver++":
      return createMultistepScheduler({
        ...{ config, steps, spacing },
        createSampler: (levels) => new DpmSolverSampler(levels),
      });
    case "unipc":
      return createMultistepScheduler({
        ...{ config, steps, spacing },
        createSampler: (levels) => new UniPcSampler(levels),
      });
  }
}
