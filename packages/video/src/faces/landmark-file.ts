/** A detector that reads its answers from a JSON file: points found by another tool, or by hand. */
import { readFile, stat } from "node:fs/promises";
import {
  type AlignmentPoints,
  type Face,
  type FaceDetector,
  LatentSyncError,
  type Picture,
  type Point,
  type Rectangle,
  type RgbImage,
} from "@ls/core";
import { checkRgbImage } from "./rgb-image-check.ts";

const ORDER = ["left_brow", "right_brow", "nose"] as const;
const FORMAT_HINT =
  'Write {"order": ["left_brow", "right_brow", "nose"], "points": [[[x, y], [x, y], [x, y]], ...]} with one entry per frame, null where there is no face.';
/** The model's crop around its template points: distance of the brows, their place, and its size. */
const TEMPLATE = {
  browDistance: 41,
  browCenterX: 37.5,
  browY: 20,
  width: 75,
  height: 100,
} as const;

/**
 * Reads alignment points from `path`: `{order, points: [frame][3][x, y]}` in pixels of the frame; an
 * entry `null` says that the frame has no face.
 * @throws LatentSyncError `not_found`, `io` or `invalid_argument`; from `detect`,
 *   `invalid_argument` for a frame that the file does not have.
 */
export async function createLandmarkFileDetector(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<FaceDetector> {
  options.signal?.throwIfAborted();
  const frames = parseLandmarks(await readText(path, options.signal), path);
  return new LandmarkFileDetector(path, frames);
}

class LandmarkFileDetector implements FaceDetector {
  readonly exact: boolean = true;
  readonly #path: string;
  readonly #frames: readonly (AlignmentPoints | null)[];
  #disposed = false;

  constructor(path: string, frames: readonly (AlignmentPoints | null)[]) {
    this.#path = path;
    this.#frames = frames;
  }

  async detect(
    picture: Picture | RgbImage,
    frameIndex: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly Face[]> {
    options.signal?.throwIfAborted();
    if (this.#disposed) {
      throw new LatentSyncError("disposed", `The landmark file ${this.#path} was closed.`);
    }
    if ("data" in picture) checkRgbImage(picture);
    const points = this.#frames[frameIndex];
    if (points === undefined) throw this.#outOfRange(frameIndex);
    return points === null ? [] : [{ box: boxAround(points), score: 1, points }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
  }

  #outOfRange(frameIndex: number): LatentSyncError {
    return new LatentSyncError(
      "invalid_argument",
      `The landmark file ${this.#path} has ${this.#frames.length} frames, but frame ${frameIndex} is asked for: at least ${frameIndex + 1} are needed.`,
      { hint: "Give a file with an entry for every frame of the video." },
    );
  }
}

async function readText(path: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    const status = await stat(path);
    // A pipe would wait for its writer.
    if (!status.isFile()) throw invalid(path, "is not a regular file");
    return await readFile(path, { encoding: "utf8", ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    if (LatentSyncError.is(error)) throw error;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new LatentSyncError(
      missing ? "not_found" : "io",
      missing
        ? `The landmark file ${path} does not exist.`
        : `The landmark file ${path} cannot be read.`,
      { cause: error, hint: "Check the path and its permissions." },
    );
  }
}

function invalid(path: string, what: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `The landmark file ${path} ${what}.`, {
    hint: FORMAT_HINT,
    ...(cause === undefined ? {} : { cause }),
  });
}

function parseLandmarks(text: string, path: string): (AlignmentPoints | null)[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, "is not JSON", error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, "does not hold an object");
  }
  const { order, points } = value as { order?: unknown; points?: unknown };
  if (!Array.isArray(order) || order.join() !== ORDER.join()) {
    throw invalid(path, `has the order ${shorten(order)} instead of ${JSON.stringify(ORDER)}`);
  }
  if (!Array.isArray(points)) throw invalid(path, `has ${shorten(points)} for its points`);
  return points.map((entry: unknown, frame) => parseFrame(entry, frame, path));
}

function parseFrame(entry: unknown, frame: number, path: string): AlignmentPoints | null {
  if (entry === null) return null;
  if (!Array.isArray(entry) || entry.length !== ORDER.length) {
    throw invalid(path, `has ${shorten(entry)} at frame ${frame} instead of three points or null`);
  }
  const points = entry.map((point: unknown, index): Point => {
    if (isPoint(point)) return [point[0], point[1]];
    throw invalid(
      path,
      `has ${shorten(point)} for ${ORDER[index] ?? ""} at frame ${frame} instead of two finite numbers`,
    );
  });
  const [left, right, nose] = points as [Point, Point, Point];
  if (left[0] === right[0] && left[1] === right[1]) {
    throw invalid(path, `has both brows at the same place at frame ${frame}`);
  }
  return [left, right, nose];
}

function isPoint(value: unknown): value is [number, number] {
  return (
    Array.isArray(value) && value.length === 2 && value.every((number) => Number.isFinite(number))
  );
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The model's crop at the size that the distance of the brows gives, upright. */
function boxAround([left, right]: AlignmentPoints): Rectangle {
  const scale = Math.hypot(right[0] - left[0], right[1] - left[1]) / TEMPLATE.browDistance;
  return {
    x: (left[0] + right[0]) / 2 - TEMPLATE.browCenterX * scale,
    y: (left[1] + right[1]) / 2 - TEMPLATE.browY * scale,
    width: TEMPLATE.width * scale,
    height: TEMPLATE.height * scale,
  };
}
