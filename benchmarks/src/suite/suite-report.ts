/** What a run of an evaluation set found, as a JSON file keeps it. */
import { readFile } from "node:fs/promises";
import { LatentSyncError, type Precision } from "@ls/core";
import type { BenchmarkEnvironment } from "../report.ts";
import type { ExpectedOutcome } from "./cases.ts";

/** Says what a file is; changes with the shape of {@link SuiteReport}. */
export const SUITE_REPORT_FORMAT = "latentsync-suite-report/1";

/** SHA-256, hex, of what a case is made from. */
export interface SuiteInputs {
  /** Over size and RGB of the drawn pictures. */
  readonly picturesSha256: string;
  /** Over the WAV file. */
  readonly speechSha256: string;
}

/** What was measured in an output; `null` where it is not defined, or the run failed. */
export interface SuiteFigures {
  readonly frames: number | null;
  /** Frames that the pipeline passed through because it found no face. */
  readonly framesWithoutFace: number | null;
  /** Of the mouth's opening with that of the true render, -1 to 1. */
  readonly correlation: number | null;
  /** Shift at which that is highest; positive is late. */
  readonly lagFrames: number | null;
  /** Structural similarity with the source outside the face, 1 for equal pixels. */
  readonly ssimOutsideFace: number | null;
  /** Of the mouth against the true render, in dB. */
  readonly mouthPsnrDb: number | null;
  /** Deviation of the mouth's opening, in distances of the eyes. */
  readonly movement: number | null;
  /** The same in the true render. */
  readonly trueMovement: number | null;
}

export interface SuiteCaseResult {
  readonly name: string;
  readonly inputs: SuiteInputs;
  readonly expected: ExpectedOutcome;
  /** Code of the error that ended the run; `null` if it succeeded. */
  readonly failure: string | null;
  /** Its message, or why an output could not be measured. */
  readonly message: string | null;
  /** SHA-256 over size and RGB of the frames before the encoder; `null` if the run failed. */
  readonly framesSha256: string | null;
  readonly figures: SuiteFigures;
  /** Time in which networks ran. */
  readonly modelSeconds: number;
  /** Resident memory of the process at most, while the case ran. */
  readonly peakMemoryBytes: number;
}

/** What must be equal in two runs that are compared. */
export interface SuiteSettings {
  readonly inferenceSteps: number;
  readonly guidanceScale: number;
  readonly seed: number;
}

export interface SuiteReport {
  readonly format: typeof SUITE_REPORT_FORMAT;
  /** The evaluation set. */
  readonly suite: string;
  readonly settings: SuiteSettings;
  /** `hash` is the SHA-256 over the checkpoint's files. */
  readonly model: { readonly name: string; readonly hash: string; readonly resolution: number };
  readonly runtime: { readonly name: string; readonly precision: Precision };
  readonly environment: BenchmarkEnvironment;
  readonly cases: readonly SuiteCaseResult[];
}

/** Whether the case ended as it must: with success, or with the error that belongs to it. */
export function endsAsExpected({ failure, expected }: SuiteCaseResult): boolean {
  return failure === expected.failure;
}

/** Types of JSON values; `?` may be null. */
type Shape =
  | "string"
  | "string?"
  | "number"
  | "number?"
  | "object"
  | readonly [element: Shape]
  | { readonly [key: string]: Shape };

const REPORT_SHAPE: Shape = {
  suite: "string",
  settings: { inferenceSteps: "number", guidanceScale: "number", seed: "number" },
  model: { name: "string", hash: "string", resolution: "number" },
  runtime: { name: "string", precision: "string" },
  environment: {
    ...{ cpu: "string", cores: "number", memoryBytes: "number", system: "string", node: "string" },
    ...{ versions: "object", runtime: "string", model: "string", command: "string" },
    date: "string",
  },
  cases: [
    {
      name: "string",
      inputs: { picturesSha256: "string", speechSha256: "string" },
      expected: { failure: "string?", frames: "number", framesWithoutFace: "number" },
      failure: "string?",
      message: "string?",
      framesSha256: "string?",
      figures: {
        ...{ frames: "number?", framesWithoutFace: "number?", correlation: "number?" },
        ...{ lagFrames: "number?", ssimOutsideFace: "number?", mouthPsnrDb: "number?" },
        ...{ movement: "number?", trueMovement: "number?" },
      },
      modelSeconds: "number",
      peakMemoryBytes: "number",
    },
  ],
};

/** Where `value` is not of the shape, and what is there; `undefined` if it is. */
function findMismatch(value: unknown, shape: Shape, place: string): string | undefined {
  const found = `${place} is ${value === undefined ? "missing" : JSON.stringify(value)}`;
  if (typeof shape === "string") {
    const fits =
      shape.endsWith("?") && value === null
        ? true
        : typeof value === shape.replace("?", "") && value !== null;
    return fits ? undefined : found;
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return found;
    const [element] = shape as readonly [Shape];
    return firstDefined(value, (item, index) => findMismatch(item, element, `${place}[${index}]`));
  }
  if (typeof value !== "object" || value === null) return found;
  const entries = new Map<string, unknown>(Object.entries(value));
  return firstDefined(Object.entries(shape), ([key, inner]) =>
    findMismatch(entries.get(key), inner, `${place}.${key}`),
  );
}

function firstDefined<T>(
  items: readonly T[],
  find: (item: T, index: number) => string | undefined,
): string | undefined {
  for (const [index, item] of items.entries()) {
    const found = find(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function invalid(path: string, what: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `The suite report ${path} ${what}.`, {
    hint: "Give a JSON file that latentsync-ts bench --suite --report wrote.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Reads a report that was stored.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_argument` if it is no such report.
 */
export async function readSuiteReport(path: string): Promise<SuiteReport> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new LatentSyncError(
      missing ? "not_found" : "io",
      `The suite report ${path} ${missing ? "does not exist" : "cannot be read"}.`,
      { cause: error, hint: "Check the path and its permissions." },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, "is not JSON", error);
  }
  const format = (value as { readonly format?: unknown } | null)?.format;
  if (format !== SUITE_REPORT_FORMAT) {
    const found = format === undefined ? "no format" : `the format ${JSON.stringify(format)}`;
    throw invalid(path, `has ${found} instead of ${SUITE_REPORT_FORMAT}`);
  }
  const mismatch = findMismatch(value, REPORT_SHAPE, "report");
  if (mismatch !== undefined) throw invalid(path, `cannot be used: ${mismatch}`);
  return value as SuiteReport;
}
