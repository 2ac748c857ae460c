/** diffusers' `scheduler_config.json`. */
import type { NoiseScheduleConfig } from "@ls/core";
import { ConfigSection } from "./config-section.ts";
import { parseJson } from "./json-file.ts";

/**
 * Reads a scheduler configuration; defaults are those of diffusers' DDIMScheduler.
 * @param file name of the file, for messages.
 * @throws LatentSyncError `invalid_model` that names the file, the key and what was expected.
 */
export function parseNoiseSchedule(
  json: string,
  file = "the scheduler's configuration",
): NoiseScheduleConfig {
  const section = new ConfigSection(parseJson(json, file), file);
  section.only("trained_betas", null);
  section.only("prediction_type", "epsilon");
  section.only("timestep_spacing", "leading");
  section.only("thresholding", false);
  section.only("rescale_betas_zero_snr", false);
  section.ignore("skip_prk_steps", "clip_sample_range", "dynamic_thresholding_ratio");
  section.ignore("sample_max_value");
  const config: NoiseScheduleConfig = {
    trainTimesteps: section.integer("num_train_timesteps", { fallback: 1000 }),
    betaStart: section.number("beta_start", 0.0001),
    betaEnd: section.number("beta_end", 0.02),
    betaSchedule: section.choice("beta_schedule", ["scaled_linear", "linear"], "linear"),
    stepsOffset: section.integer("steps_offset", { fallback: 0, minimum: 0 }),
    setAlphaToOne: section.boolean("set_alpha_to_one", true),
    clipSample: section.boolean("clip_sample", true),
  };
  section.refuseUnknown();
  return config;
}
