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

/** A picture that becomes RGB when it is asked to, whole or in part: a `VideoFrame` is one. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 8-bit RGB of the picture or of a region of it. The result is the caller's. */
  toRgb(region?: Rectangle): Promise<RgbImage>;
}

/** RGB of a picture or of a region of it; of an RGB image itself, the image. */
export async function rgbOf(picture: Picture | RgbImage, region?: Rectangle): Promise<RgbImage> {
  if ("toRgb" in picture) return await picture.toRgb(region);
  const { width, height } = picture;
  const isWhole = region === undefined || (region.width === width && region.height === height);
  return isWhole ? picture : cropImage(picture, region);
}

/** A copy of a part of an image; the rectangle must lie inside it. */
export function cropImage(image: RgbImage, region: Rectangle): ImagePatch {
  const { x, y, width, height } = region;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * image.width + x) * 3;
    data.set(image.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { x, y, width, height, data };
}

/** Writes a patch over an image, in place. */
export function pastePatch(image: RgbImage, patch: ImagePatch): void {
  for (let row = 0; row < patch.height; row++) {
    const line = patch.data.subarray(row * patch.width * 3, (row + 1) * patch.width * 3);
    image.data.set(line, ((patch.y + row) * image.width + patch.x) * 3);
  }
}

/** A patch with another one over it, where they overlap. */
export function overlayPatch(patch: ImagePatch, over: ImagePatch): ImagePatch {
  const left = Math.max(patch.x, over.x);
  const right = Math.min(patch.x + patch.width, over.x + over.width);
  const top = Math.max(patch.y, over.y);
  const bottom = Math.min(patch.y + patch.height, over.y + over.height);
  if (left >= right || top >= bottom) return patch;
  const data = patch.data.slice();
  for (let y = top; y < bottom; y++) {
    const from = ((y - over.y) * over.width + left - over.x) * 3;
    const line = over.data.subarray(from, from + (right - left) * 3);
    data.set(line, ((y - patch.y) * patch.width + left - patch.x) * 3);
  }
  return { ...patch, data };
}
