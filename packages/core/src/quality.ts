/** How much work a run puts into its faces: single switches, and presets that set them together. */
import type { StepInterval } from "./diffusion/guidance.ts";
import { LatentSyncError } from "./errors.ts";
import { type SchedulerName, SCHEDULERS } from "./schedulers/create-scheduler.ts";

/** Presets, from the official pipeline's result to a glance at what a video would be like. */
export const QUALITIES = ["exact", "balanced", "fast", "preview"] as const;
export type Quality = (typeof QUALITIES)[number];

/** Everything that trades quality for work. */
export interface SamplingSettings {
  readonly scheduler: SchedulerName;
  /** Denoising steps, 1 to 1000. */
  readonly inferenceSteps: number;
  /** How strongly the speech moves the mouth, 1.0 to 3.0 in practice; 1 or less: no guidance. */
  readonly guidanceScale: number;
  /** The part of the steps that guidance is applied in, from 0 to 1; other steps are half the work. */
  readonly guidanceInterval: StepInterval;
  /**
   * DeepCache: one step of so many runs the whole UNet, the others its outermost layers with deep
   * features of the step before. 1: every step is a whole one; the official script's is 3.
   */
  readonly deepCacheInterval: number;
}

/** A preset, and what shall differ from it. */
export interface SamplingOptions extends Partial<SamplingSettings> {
  /** Default `exact`: the official pipeline's settings. */
  readonly quality?: Quality;
}

const EXACT = {
  scheduler: "ddim",
  inferenceSteps: 20,
  guidanceScale: 1.5,
  guidanceInterval: [0, 1],
  deepCacheInterval: 1,
} as const satisfies SamplingSettings;

/**
 * What each preset sets; the rest is as in `exact`. How they compare is measured in docs/quality.md.
 * A preview is drawn in two steps without guidance: enough to see when the mouth opens and closes.
 */
export const QUALITY_PRESETS: Readonly<
  Record<Quality, Partial<SamplingSettings>> & Record<"exact", SamplingSettings>
> = {
  exact: EXACT,
  balanced: { inferenceSteps: 10, deepCacheInterval: 2 },
  fast: { scheduler: "dpmsolver++", inferenceSteps: 3 },
  preview: { scheduler: "dpmsolver++", inferenceSteps: 2, guidanceScale: 1 },
};

/**
 * The preset with single settings in place of its own.
 * @throws LatentSyncError `invalid_argument` for values that cannot be.
 */
export function resolveSampling(options: SamplingOptions): SamplingSettings {
  const { quality = "exact" } = options;
  checkName("quality", quality, QUALITIES);
  const preset: SamplingSettings = { ...EXACT, ...QUALITY_PRESETS[quality] };
  const settings: SamplingSettings = {
    scheduler: options.scheduler ?? preset.scheduler,
    inferenceSteps: options.inferenceSteps ?? preset.inferenceSteps,
    guidanceScale: options.guidanceScale ?? preset.guidanceScale,
    guidanceInterval: options.guidanceInterval ?? preset.guidanceInterval,
    deepCacheInterval: options.deepCacheInterval ?? preset.deepCacheInterval,
  };
  checkSettings(settings);
  return settings;
}

function checkSettings(settings: SamplingSettings): void {
  const { guidanceScale, guidanceInterval, deepCacheInterval } = settings;
  checkName("scheduler", settings.scheduler, SCHEDULERS);
  if (!Number.isFinite(guidanceScale) || guidanceScale < 0 || guidanceScale > 20) {
    refuse("guidanceScale", "a number from 0 to 20", guidanceScale, "Usual values are 1.0 to 3.0.");
  }
  const [start, end] = guidanceInterval;
  if (guidanceInterval.length !== 2 || !(start >= 0 && start < end && end <= 1)) {
    refuse(
      "guidanceInterval",
      "two numbers from 0 to 1, the first below the second",
      `[${guidanceInterval.join(", ")}]`,
      "[0, 1] guides every step; for none, set guidanceScale to 1.",
    );
  }
  if (!Number.isInteger(deepCacheInterval) || deepCacheInterval < 1) {
    refuse(
      "deepCacheInterval",
      "an integer from 1",
      deepCacheInterval,
      "1 runs the whole UNet in every step; the official script's DeepCache is 3.",
    );
  }
}

function checkName(option: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  refuse(option, `one of ${allowed.join(", ")}`, JSON.stringify(value), "Choose one of these.");
}

function refuse(option: string, expected: string, actual: unknown, hint: string): never {
  throw new LatentSyncError(
    "invalid_argument",
    `${option} must be ${expected}, but is ${String(actual)}.`,
    { hint },
  );
}
