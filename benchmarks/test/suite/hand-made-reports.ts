import { SUITE_REPORT_FORMAT } from "../../src/suite/suite-report.ts";
import type { SuiteCaseResult, SuiteFigures, SuiteReport } from "../../src/suite/suite-report.ts";

const FIGURES: SuiteFigures = {
  frames: 32,
  framesWithoutFace: 10,
  correlation: 0.9,
  lagFrames: 0,
  ssimOutsideFace: 0.999,
  mouthPsnrDb: 23,
  movement: 0.05,
  trueMovement: 0.06,
};

const NO_FIGURES: SuiteFigures = {
  frames: null,
  framesWithoutFace: null,
  correlation: null,
  lagFrames: null,
  ssimOutsideFace: null,
  mouthPsnrDb: null,
  movement: null,
  trueMovement: null,
};

/** A case that went well. */
export function caseResult(
  changes: Partial<SuiteCaseResult> = {},
  figures: Partial<SuiteFigures> = {},
): SuiteCaseResult {
  return {
    name: "plain",
    inputs: { picturesSha256: "aa", speechSha256: "bb" },
    expected: { failure: null, frames: 32, framesWithoutFace: 10 },
    failure: null,
    message: null,
    framesSha256: "cc",
    figures: { ...FIGURES, ...figures },
    modelSeconds: 10,
    peakMemoryBytes: 2 ** 30,
    ...changes,
  };
}

/** A case that ended with an error. */
export function failedCase(
  failure: string,
  changes: Partial<SuiteCaseResult> = {},
): SuiteCaseResult {
  return caseResult(
    { failure, message: `It failed: ${failure}.`, framesSha256: null, ...changes },
    NO_FIGURES,
  );
}

export function report(
  cases: readonly SuiteCaseResult[],
  changes: Partial<SuiteReport> = {},
): SuiteReport {
  return {
    format: SUITE_REPORT_FORMAT,
    suite: "held-out-1",
    settings: { inferenceSteps: 5, guidanceScale: 1.5, seed: 1247 },
    model: { name: "demo", hash: "0123456789abcdef", resolution: 128 },
    runtime: { name: "cpu", precision: "float32" },
    environment: {
      cpu: "a processor",
      cores: 2,
      memoryBytes: 2 ** 33,
      system: "linux",
      node: "v24.0.0",
      versions: { "latentsync-ts": "0.1.0" },
      runtime: "cpu, float32",
      model: "demo, 128 pixels",
      command: "npx latentsync-ts bench --suite",
      date: "2026-01-01",
    },
    cases,
    ...changes,
  };
}
