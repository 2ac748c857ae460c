/**
 * From the frame to the model's square. After `align_warp_face` of
 * `latentsync/utils/affine_transform.py` and `affine_transform` of `image_processor.py`
 * (bytedance/LatentSync a229c39) with kornia 0.8.0's `warp_affine`. Intended difference: pixel
 * coordinates are not normalised on the way, and arithmetic is in double precision.
 */
import type { AffineMatrix, ImagePatch } from "@ls/core";
import {
  checkBackground,
  type CropSize,
  cropSize,
  invertAffine,
  TRUNCATION_SLACK,
} from "./crop-geometry.ts";
import { LanczosResizer } from "./lanczos-resize.ts";

/** Value of the crop where the frame has no pixel. */
const OUTSIDE = 127;

interface Sampling {
  readonly patch: ImagePatch;
  /** From crop to patch. */
  readonly matrix: AffineMatrix;
  readonly crop: CropSize;
}

/** Warps one crop pixel whose neighbours are not all inside the patch. */
function sampleBorder(patch: ImagePatch, x: number, y: number, to: Uint8Array, at: number): void {
  const { width, height, data } = patch;
  const left = Math.floor(x);
  const top = Math.floor(y);
  let red = 0;
  let green = 0;
  let blue = 0;
  let covered = 0;
  for (let row = top; row <= top + 1; row++) {
    for (let column = left; column <= left + 1; column++) {
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      const weight = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
      const pixel = (row * width + column) * 3;
      covered += weight;
      red += weight * (data[pixel] as number);
      green += weight * (data[pixel + 1] as number);
      blue += weight * (data[pixel + 2] as number);
    }
  }
  const fill = (1 - covered) * OUTSIDE + TRUNCATION_SLACK;
  to[at] = red + fill;
  to[at + 1] = green + fill;
  to[at + 2] = blue + fill;
}

function warpRow({ patch, matrix, crop }: Sampling, row: number, to: Uint8Array): void {
  const { data, width } = patch;
  const [a, b, tx, c, d, ty] = matrix;
  const lastX = width - 1;
  const lastY = patch.height - 1;
  const stride = width * 3;
  const startX = b * row + tx;
  const startY = d * row + ty;
  let at = row * crop.width * 3;
  for (let column = 0; column < crop.width; column++, at += 3) {
    const x = startX + a * column;
    const y = startY + c * column;
    if (!(x >= 0 && y >= 0 && x < lastX && y < lastY)) {
      sampleBorder(patch, x, y, to, at);
      continue;
    }
    const left = x | 0;
    const top = y | 0;
    const right = x - left;
    const bottom = y - top;
    const above = top * stride + left * 3;
    const below = above + stride;
    for (let channel = 0; channel < 3; channel++) {
      const nw = data[above + channel] as number;
      const sw = data[below + channel] as number;
      const north = nw + ((data[above + channel + 3] as number) - nw) * right;
      const south = sw + ((data[below + channel + 3] as number) - sw) * right;
      to[at + channel] = north + (south - north) * bottom + TRUNCATION_SLACK;
    }
  }
}

/**
 * Warps the crop out of the frame: `[height, width, 3]` uint8 of `cropSize(resolution)`, bilinear,
 * truncated; 127 where the frame has no pixel.
 * @throws LatentSyncError `invalid_argument`
 */
export function warpCrop(
  background: ImagePatch,
  matrix: AffineMatrix,
  crop: CropSize,
): Uint8Array<ArrayBuffer> {
  checkBackground(background, matrix, crop);
  const [a, b, tx, c, d, ty] = invertAffine(matrix);
  const sampling: Sampling = {
    patch: background,
    matrix: [a, b, tx - background.x, c, d, ty - background.y],
    crop,
  };
  const pixels = new Uint8Array(crop.width * crop.height * 3);
  for (let row = 0; row < crop.height; row++) warpRow(sampling, row, pixels);
  return pixels;
}

/** Aligns faces at one resolution on the calling thread; keeps its tables between calls. */
export class FaceCropper {
  readonly #crop: CropSize;
  readonly #resizer: LanczosResizer;

  constructor(resolution: number) {
    this.#crop = cropSize(resolution);
    this.#resizer = new LanczosResizer({
      sourceWidth: this.#crop.width,
      sourceHeight: this.#crop.height,
      width: resolution,
      height: resolution,
      channels: 3,
    });
  }

  /**
   * `[3, resolution, resolution]` uint8 RGB planes.
   * @param background the frame's pixels in `faceRegion(matrix, ...)`
   * @throws LatentSyncError `invalid_argument`
   */
  align(background: ImagePatch, matrix: AffineMatrix): Uint8Array<ArrayBuffer> {
    return this.#resizer.resize(warpCrop(background, matrix, this.#crop));
  }
}
