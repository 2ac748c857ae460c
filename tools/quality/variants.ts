/** What is compared: every lever by itself, and the presets. */
import { QUALITIES, type SamplingOptions } from "@ls/core";

export const LEVERS = [
  "presets",
  "DDIM",
  "DPM-Solver++",
  "UniPC",
  "DeepCache",
  "guidance",
] as const;
export type Lever = (typeof LEVERS)[number];

export interface Variant {
  readonly name: string;
  readonly lever: Lever;
  readonly settings: SamplingOptions;
}

const steps = (
  lever: Lever,
  scheduler: SamplingOptions["scheduler"],
  counts: number[],
): Variant[] =>
  counts.map((inferenceSteps) => ({
    name: `${lever}, ${inferenceSteps} steps`,
    lever,
    settings: { ...(scheduler === undefined ? {} : { scheduler }), inferenceSteps },
  }));

/** `exact` comes first: the others are compared with it. */
export const VARIANTS: readonly Variant[] = [
  ...QUALITIES.map((quality): Variant => ({
    name: quality,
    lever: "presets",
    settings: { quality },
  })),
  ...steps("DDIM", "ddim", [10, 5, 4]),
  ...steps("DPM-Solver++", "dpmsolver++", [10, 5, 4]),
  ...steps("UniPC", "unipc", [10, 5, 4]),
  ...[2, 3, 5].map((deepCacheInterval): Variant => ({
    name: `DeepCache ${deepCacheInterval}`,
    lever: "DeepCache",
    settings: { deepCacheInterval },
  })),
  ...(
    [
      [0, 0.5],
      [0.25, 0.75],
      [0.5, 1],
    ] as const
  ).map((guidanceInterval): Variant => ({
    name: `guidance in ${guidanceInterval.join(" to ")}`,
    lever: "guidance",
    settings: { guidanceInterval },
  })),
  { name: "no guidance", lever: "guidance", settings: { guidanceScale: 1 } },
];
