/**
 * Turns frames upright. Which filters a display matrix asks for follows FFmpeg's `fftools`
 * (`insert_filter` for autorotate); right angles and mirrorings only.
 */
import { LatentSyncError } from "@ls/core";
import type { Frame, IRational } from "node-av/lib";
import { FilterChain } from "./filter-chain.ts";

/** A filter of FFmpeg and its arguments. */
export type OrientationFilter = readonly [
  name: "copy" | "hflip" | "transpose" | "vflip",
  args: string,
];

/** Filters that undo a display matrix; none for one that is upright. */
export function orientationFilters(
  matrix: Uint8Array | undefined,
  path: string,
): readonly OrientationFilter[] {
  if (!matrix || matrix.length < 36) return [];
  const view = new DataView(matrix.buffer, matrix.byteOffset, 36);
  const m = Array.from({ length: 9 }, (_, index) => view.getInt32(index * 4, LITTLE_ENDIAN));
  const [a = 0, b = 0, , c = 0, d = 0] = m;
  if ((a === 0 && c === 0) || (b === 0 && d === 0)) return [];
  const radians = Math.atan2(b / Math.hypot(b, d), a / Math.hypot(a, c));
  const degrees = (Math.round((radians * 180) / Math.PI) + 360) % 360;
  if (Math.abs(degrees - 90) < 1) return [["transpose", c > 0 ? "cclock_flip" : "clock"]];
  if (Math.abs(degrees - 270) < 1) return [["transpose", c < 0 ? "clock_flip" : "cclock"]];
  if (Math.abs(degrees - 180) < 1) {
    const filters: OrientationFilter[] = [];
    if (a < 0) filters.push(["hflip", ""]);
    if (d < 0) filters.push(...FLIP_ROWS);
    return filters;
  }
  if (degrees <= 1 || degrees >= 359) return d < 0 ? FLIP_ROWS : [];
  throw new LatentSyncError(
    "unsupported",
    `${path} is to be shown turned by ${degrees} degrees; only multiples of 90 are supported.`,
    { hint: "Re-encode the video upright first." },
  );
}

/** `vflip` alone gives pictures that run backward in memory; `copy` sets that right. */
const FLIP_ROWS: readonly OrientationFilter[] = [
  ["vflip", ""],
  ["copy", ""],
];

/** Filters for EXIF's orientations, from 1 on. */
const EXIF_FILTERS: readonly (readonly OrientationFilter[])[] = [
  [],
  [["hflip", ""]],
  [["hflip", ""], ...FLIP_ROWS],
  FLIP_ROWS,
  [["transpose", "cclock_flip"]],
  [["transpose", "clock"]],
  [["transpose", "clock_flip"]],
  [["transpose", "cclock"]],
];

/** Filters that turn an image upright as its EXIF says, for formats in which FFmpeg does not look. */
export async function exifFilters(path: string): Promise<readonly OrientationFilter[]> {
  const { default: sharp } = await import("sharp");
  const orientation = await sharp(path)
    .metadata()
    .then(
      (metadata) => metadata.orientation ?? 1,
      // What FFmpeg decodes need not be an image to sharp.
      () => 1,
    );
  return EXIF_FILTERS[orientation - 1] ?? [];
}

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const PURPOSE = {
  failure: "FFmpeg cannot turn this video upright",
  hint: "Re-encode the video upright first.",
};

/** Turns frames of one size and format. */
export class Orientation implements Disposable {
  readonly #chain: FilterChain;

  private constructor(chain: FilterChain) {
    this.#chain = chain;
  }

  static async create(
    filters: readonly OrientationFilter[],
    like: Frame,
    timeBase: IRational,
  ): Promise<Orientation> {
    return new Orientation(await FilterChain.create(filters, like, timeBase, PURPOSE));
  }

  /** The upright frame, which the caller frees. `frame` stays the caller's. */
  async apply(frame: Frame): Promise<Frame> {
    await this.#chain.put(frame);
    const upright = await this.#chain.take();
    if (upright) return upright;
    throw new LatentSyncError("runtime", `${PURPOSE.failure}: a frame was lost.`, {
      hint: PURPOSE.hint,
    });
  }

  [Symbol.dispose](): void {
    this.#chain[Symbol.dispose]();
  }
}
