/** Interleaved 8-bit RGB, row-major, no padding: `data[(y * width + x) * 3 + channel]`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle in pixels; `x`, `y` is its top-left corner. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** An image that lies at `x`, `y` of a larger frame and wholly inside it. */
export interface ImagePatch extends RgbImage {
  readonly x: number;
  readonly y: number;
}

/** A point in pixels; the centre of the top-left pixel is (0, 0), as in OpenCV. */
export type Point = readonly [x: number, y: number];

/** A 2x3 matrix, row-major `[a, b, tx, c, d, ty]`: `x' = a*x + b*y + tx`, `y' = c*x + d*y + ty`. */
export type AffineMatrix = readonly [number, number, number, number, number, number];
