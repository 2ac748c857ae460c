/** Parsers of option values: a clear usage error for what is not allowed. */
import { InvalidArgumentError, Option } from "commander";

/** A whole number within bounds. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`Expected a whole number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** A number within bounds. */
export function decimal(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`Expected a number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** A place in a frame, from (0, 0) left top to (1, 1) right bottom. */
interface RelativePoint {
  readonly x: number;
  readonly y: number;
}

/** A place in the picture: `0.3,0.5` or `30%,50%`. */
export function position(text: string): RelativePoint {
  const [x, y, ...more] = text.split(",").map((part) => {
    const match = /^\s*(\d+(?:\.\d+)?|\.\d+)(%?)\s*$/.exec(part);
    return match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  });
  const isInside = (value: number | undefined): value is number =>
    value !== undefined && value >= 0 && value <= 1;
  if (!isInside(x) || !isInside(y) || more.length > 0) {
    throw new InvalidArgumentError("Expected x,y from 0,0 (left top) to 1,1, or in percent.");
  }
  return { x, y };
}

export const RUNTIMES = [
  "auto",
  "cpu",
  "openvino",
  "cuda",
  "tensorrt",
  "webgpu",
  "coreml",
  "directml",
] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

const PRECISIONS = ["auto", "float32", "float16", "bfloat16"] as const;
export type PrecisionName = (typeof PRECISIONS)[number];

export const runtimeOption = (): Option =>
  new Option("--runtime <name>", "where the networks run").choices(RUNTIMES).default("auto");

export const precisionOption = (): Option =>
  new Option("--precision <type>", "arithmetic of the networks")
    .choices(PRECISIONS)
    .default("auto");

export const modelOption = (): Option =>
  new Option(
    "--model <name|dir>",
    "a pulled model's name, latentsync-demo, or a folder in the official or the converted layout",
  ).env("LATENTSYNC_MODEL");

export const threadsOption = (): Option =>
  new Option("--threads <n>", "CPU threads for the networks").argParser(integer(1, 1024));

export const HARDWARE_ACCELERATIONS = [
  "auto",
  "none",
  "cuda",
  "vaapi",
  "qsv",
  "videotoolbox",
] as const;

export const hwaccelOption = (): Option =>
  new Option(
    "--hwaccel <name>",
    "video hardware: auto decodes on it where it is there and encodes in software, a device's name also encodes there",
  )
    .choices(HARDWARE_ACCELERATIONS)
    .default("auto");

export const jsonOption = (): Option => new Option("--json", "print JSON on stdout");

export const debugOption = (): Option => new Option("--debug", "print stack traces");
