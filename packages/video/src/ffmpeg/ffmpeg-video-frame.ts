import { LatentSyncError, type Rectangle, type RgbImage, type VideoFrame } from "@ls/core";
import type { Frame } from "node-av/lib";
import type { ColourEncoding } from "./colour.ts";
import { convertAreaToRgb, expandRegion, packRgb, referenceFrame } from "./native-frame.ts";

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

/** A decoded frame in its native pixel format. */
export class FfmpegVideoFrame implements VideoFrame {
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** Matrix and range that this frame's pixels are in. */
  readonly encoding: ColourEncoding;
  #native: Frame | undefined;

  /** Takes over `native`. */
  constructor(native: Frame, index: number, encoding: ColourEncoding) {
    this.index = index;
    this.width = native.width;
    this.height = native.height;
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
    const area = expandRegion(wanted, frame);
    using target = await convertAreaToRgb(frame, this.encoding, area);
    const inside = { ...wanted, x: wanted.x - area.x, y: wanted.y - area.y };
    return {
      width: wanted.width,
      height: wanted.height,
      data: packRgb(target, inside),
    };
  }

  clone(): FfmpegVideoFrame {
    return new FfmpegVideoFrame(this.reference(), this.index, this.encoding);
  }

  [Symbol.dispose](): void {
    this.#native?.free();
    this.#native = undefined;
  }
}
