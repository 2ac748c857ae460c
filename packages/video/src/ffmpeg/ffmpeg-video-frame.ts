import { LatentSyncError, type Rectangle, type RgbImage, type VideoFrame } from "@ls/core";
import type { Frame } from "node-av/lib";
import type { ColourEncoding } from "./colour.ts";
import { greyGrid } from "./grey-grid.ts";
import { referenceFrame, storedToRgb } from "./native-frame.ts";
import { displayedSize, displayPixels, isSquare, storedRegion } from "./square-pixels.ts";

/** Throws unless `region` has whole numbers, is not empty and lies inside the frame. */
export function checkRegion(region: Rectangle, width: number, height: number): void {
  const { x, y } = region;
  const whole = [x, y, region.width, region.height].every(Number.isInteger);
  const inside = x >= 0 && y >= 0 && x + region.width <= width && y + region.height <= height;
  if (!whole || !inside || region.width < 1 || region.height < 1) {
    throw new LatentSyncError(
      "invalid_argument",
      `The region must have whole numbers and lie inside the frame of ${width}x${height}, ` +
        `but is ${region.width}x${region.height} at ${x}, ${y}.`,
    );
  }
}

/** Position, time and length on screen of a frame. */
type FramePlace = Pick<VideoFrame, "index" | "timeSeconds"> & { readonly durationSeconds: number };

/**
 * A decoded frame in its native pixel format. Its size, regions and RGB are in square pixels, whatever
 * the shape of the stored ones.
 */
export class FfmpegVideoFrame implements VideoFrame {
  readonly index: number;
  readonly timeSeconds: number;
  /** How long it is on screen in its source. */
  readonly durationSeconds: number;
  readonly width: number;
  readonly height: number;
  /** Matrix and range that this frame's pixels are in. */
  readonly encoding: ColourEncoding;
  #native: Frame | undefined;

  /** Takes over `native`. */
  constructor(native: Frame, place: FramePlace, encoding: ColourEncoding) {
    const { width, height } = displayedSize(native);
    this.index = place.index;
    this.timeSeconds = place.timeSeconds;
    this.durationSeconds = place.durationSeconds;
    this.width = width;
    this.height = height;
    this.encoding = encoding;
    this.#native = native;
  }

  /** A new native reference, which the caller frees. */
  reference(): Frame {
    if (!this.#native) {
      throw new LatentSyncError("disposed", `Frame ${this.index} was used after it was disposed.`);
    }
    return referenceFrame(this.#native);
  }

  async toRgb(region?: Rectangle): Promise<RgbImage> {
    using frame = this.reference();
    const { width, height } = this;
    const wanted = region ?? { x: 0, y: 0, width, height };
    checkRegion(wanted, width, height);
    if (isSquare(frame)) return await storedToRgb(frame, this.encoding, wanted);
    const stored = storedRegion(frame, wanted);
    const image = await storedToRgb(frame, this.encoding, stored);
    return displayPixels(frame, image, stored, wanted);
  }

  greys(columns: number, rows: number): Uint8Array {
    using frame = this.reference();
    return greyGrid(frame, columns, rows);
  }

  clone(): FfmpegVideoFrame {
    return new FfmpegVideoFrame(this.reference(), this, this.encoding);
  }

  [Symbol.dispose](): void {
    this.#native?.free();
    this.#native = undefined;
  }
}
