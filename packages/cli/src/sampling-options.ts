/** The options that trade quality for work, for every command that lip-syncs. */
import {
  QUALITIES,
  QUALITY_PRESETS,
  type Quality,
  type SamplingOptions,
  type SchedulerName,
  SCHEDULERS,
} from "@ls/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { decimal, integer } from "./options.ts";

/** What commander makes of {@link addSamplingOptions}. */
export interface SamplingFlags {
  readonly quality: Quality;
  readonly scheduler?: SchedulerName;
  readonly inferenceSteps?: number;
  readonly guidanceScale?: number;
  readonly guidanceInterval?: readonly [number, number];
  readonly deepcacheInterval?: number;
  readonly enableDeepcache?: boolean;
}

/** DeepCache as the official script sets it. */
const OFFICIAL_DEEP_CACHE_INTERVAL = 3;

export function addSamplingOptions(command: Command): Command {
  const { inferenceSteps, guidanceScale } = QUALITY_PRESETS.exact;
  const otherwise = (value: number): string => `default: ${value}, or what --quality says`;
  return command
    .addOption(
      new Option("--quality <name>", "work against likeness to the official result")
        .choices(QUALITIES)
        .default("exact"),
    )
    .addOption(
      new Option("--scheduler <name>", "sampler (default: ddim, or what --quality says)").choices(
        SCHEDULERS,
      ),
    )
    .option(
      "--inference-steps <n>",
      `denoising steps (${otherwise(inferenceSteps)})`,
      integer(1, 1000),
    )
    .option(
      "--guidance-scale <x>",
      `how strongly the speech moves the mouth (${otherwise(guidanceScale)})`,
      decimal(0, 20),
    )
    .option(
      "--guidance-interval <a,b>",
      "the part of the steps that guidance is applied in, such as 0.25,0.75; others are half the work",
      interval,
    )
    .option(
      "--deepcache-interval <n>",
      "run the whole UNet in one step of n, its outermost layers in the others; 1: in every step",
      integer(1, 1000),
    )
    .option("--enable-deepcache", "as the official script: --deepcache-interval 3");
}

/** The settings of a request; what was not given is left to the preset. */
export function samplingOf(flags: SamplingFlags): SamplingOptions {
  const { quality, scheduler, inferenceSteps, guidanceScale, guidanceInterval } = flags;
  const deepCacheInterval =
    flags.deepcacheInterval ??
    (flags.enableDeepcache === true ? OFFICIAL_DEEP_CACHE_INTERVAL : undefined);
  return {
    quality,
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(inferenceSteps === undefined ? {} : { inferenceSteps }),
    ...(guidanceScale === undefined ? {} : { guidanceScale }),
    ...(guidanceInterval === undefined ? {} : { guidanceInterval }),
    ...(deepCacheInterval === undefined ? {} : { deepCacheInterval }),
  };
}

/** A part of a run: `0.25,0.75`. */
function interval(text: string): readonly [number, number] {
  const [start, end, ...more] = text
    .split(",")
    .map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (start === undefined || end === undefined || more.length > 0) throw wrongInterval();
  if (!(start >= 0 && start < end && end <= 1)) throw wrongInterval();
  return [start, end];
}

function wrongInterval(): InvalidArgumentError {
  return new InvalidArgumentError("Expected a,b from 0,1 (all steps), the first below the second.");
}
