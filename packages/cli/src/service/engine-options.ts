/** The options of the service's engine, as they come out of JSON. */
import { LatentSyncError } from "@ls/core";
import type { LoadOptions } from "../load.ts";
import { HARDWARE_ACCELERATIONS, RUNTIMES, type RuntimeName } from "../options.ts";

export interface EngineOptions extends Pick<
  LoadOptions,
  | "model"
  | "unetConfig"
  | "unetCheckpoint"
  | "precision"
  | "threads"
  | "faceDetector"
  | "faceModel"
  | "codec"
  | "crf"
  | "hwaccel"
> {
  readonly runtime?: RuntimeName | undefined;
  /** Of DeepCache, for every job, in place of its preset's; 1: none. */
  readonly deepCacheInterval?: number | undefined;
}

interface Rule {
  readonly expected: string;
  fits(value: unknown): boolean;
}

const text: Rule = {
  expected: "text",
  fits: (value) => typeof value === "string" && value !== "",
};

function oneOf(...values: readonly string[]): Rule {
  return {
    expected: `one of ${values.join(", ")}`,
    fits: (value) => values.some((allowed) => allowed === value),
  };
}

function whole(minimum: number, maximum: number): Rule {
  return {
    expected: `a whole number from ${minimum} to ${maximum}`,
    fits: (value) =>
      typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum,
  };
}

const RULES: Readonly<Record<keyof EngineOptions, Rule>> = {
  model: text,
  unetConfig: text,
  unetCheckpoint: text,
  runtime: oneOf(...RUNTIMES),
  precision: oneOf("float32", "float16", "bfloat16"),
  threads: whole(1, 1024),
  faceDetector: oneOf("mediapipe", "insightface"),
  faceModel: text,
  codec: oneOf("h264", "hevc", "av1", "vp9", "ffv1"),
  crf: whole(0, 63),
  hwaccel: oneOf(...HARDWARE_ACCELERATIONS),
  deepCacheInterval: whole(1, 1000),
};

/** @throws LatentSyncError `invalid_argument` for an option that is unknown or has a wrong value. */
export function checkEngineOptions(options: Readonly<Record<string, unknown>>): EngineOptions {
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(RULES, name) ? RULES[name as keyof EngineOptions] : undefined;
    if (rule === undefined) {
      throw new LatentSyncError("invalid_argument", `The engine has no option "${name}".`, {
        hint: `It takes ${Object.keys(RULES).join(", ")}.`,
      });
    }
    if (value !== undefined && !rule.fits(value)) {
      throw new LatentSyncError(
        "invalid_argument",
        `The engine's option ${name} must be ${rule.expected}, but is ${JSON.stringify(value)}.`,
      );
    }
  }
  return options;
}
