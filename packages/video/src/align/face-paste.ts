/**
 * From the model's square back into the frame. After `restore_video` of
 * `latentsync/pipelines/lipsync_pipeline.py` and `restore_img` of
 * `latentsync/utils/affine_transform.py` (bytedance/LatentSync a229c39) with kornia 0.8.0's
 * `warp_affine`. Intended differences: only the patch around the face is computed; pixel
 * coordinates are not normalised on the way; arithmetic is in double precision.
 */
import { type AffineMatrix, type ImagePatch, LatentSyncError, type Rectangle } from "@ls/core";
import { BicubicResizer } from "./bicubic-resize.ts";
import { checkBackground, type CropSize, cropSize, TRUNCATION_SLACK } from "./crop-geometry.ts";
import { type SoftMask, SoftMaskBuilder, shiftOrigin } from "./soft-mask.ts";

/** From [-1, 1] to pixels. */
const GAIN = 127.5;
const OFFSET = 127.5;
/** What the warp sees around the face: 127 before the scaling to pixels, so that it ends as 255. */
const OUTSIDE = 127 * GAIN + OFFSET;

interface Paste {
  /** `[height, width, 3]` of the crop, in pixels but not clamped; more elements follow. */
  readonly face: Float64Array;
  /** From patch to crop. */
  readonly matrix: AffineMatrix;
  readonly crop: CropSize;
  readonly mask: SoftMask;
  readonly patch: ImagePatch;
}

function clampToPixel(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** One channel of the warped face where not all neighbours are inside the crop. */
function sampleBorder(paste: Paste, x: number, y: number, channel: number): number {
  const { face, crop } = paste;
  const left = Math.floor(x);
  const top = Math.floor(y);
  let sum = 0;
  let covered = 0;
  for (let row = top; row <= top + 1; row++) {
    for (let column = left; column <= left + 1; column++) {
      if (row < 0 || row >= crop.height || column < 0 || column >= crop.width) continue;
      const weight = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
      covered += weight;
      sum += weight * (face[(row * crop.width + column) * 3 + channel] as number);
    }
  }
  return clampToPixel(sum + (1 - covered) * OUTSIDE);
}

/** Pastes columns `start` to `end` of a row: blended by the soft mask, or outright if `solid`. */
function pasteSpan(paste: Paste, y: number, start: number, end: number, solid: boolean): void {
  const { face, crop, mask, patch } = paste;
  const data = patch.data;
  const { face: fronts, background: backs } = mask;
  const [a, b, tx, c, d, ty] = paste.matrix;
  const lastX = crop.width - 1;
  const lastY = crop.height - 1;
  const stride = crop.width * 3;
  const startX = b * y + tx;
  const startY = d * y + ty;
  let pixel = y * patch.width + start;
  for (let x = start; x < end; x++, pixel++) {
    const faceX = a * x + startX;
    const faceY = c * x + startY;
    let red: number;
    let green: number;
    let blue: number;
    if (faceX >= 0 && faceY >= 0 && faceX <= lastX && faceY <= lastY) {
      const left = faceX | 0;
      const top = faceY | 0;
      const right = faceX - left;
      const bottom = faceY - top;
      // Written out by channel: a loop costs half as much again.
      const n = top * stride + left * 3;
      const s = n + stride;
      let north = face[n] as number;
      let south = face[s] as number;
      north += ((face[n + 3] as number) - north) * right;
      south += ((face[s + 3] as number) - south) * right;
      red = clampToPixel(north + (south - north) * bottom);
      north = face[n + 1] as number;
      south = face[s + 1] as number;
      north += ((face[n + 4] as number) - north) * right;
      south += ((face[s + 4] as number) - south) * right;
      green = clampToPixel(north + (south - north) * bottom);
      north = face[n + 2] as number;
      south = face[s + 2] as number;
      north += ((face[n + 5] as number) - north) * right;
      south += ((face[s + 5] as number) - south) * right;
      blue = clampToPixel(north + (south - north) * bottom);
    } else {
      red = sampleBorder(paste, faceX, faceY, 0);
      green = sampleBorder(paste, faceX, faceY, 1);
      blue = sampleBorder(paste, faceX, faceY, 2);
    }
    const at = pixel * 3;
    if (solid) {
      data[at] = red + TRUNCATION_SLACK;
      data[at + 1] = green + TRUNCATION_SLACK;
      data[at + 2] = blue + TRUNCATION_SLACK;
    } else {
      const front = fronts[pixel] as number;
      const back = backs[pixel] as number;
      data[at] = front * red + back * (data[at] as number) + TRUNCATION_SLACK;
      data[at + 1] = front * green + back * (data[at + 1] as number) + TRUNCATION_SLACK;
      data[at + 2] = front * blue + back * (data[at + 2] as number) + TRUNCATION_SLACK;
    }
  }
}

function pasteRow(paste: Paste, y: number): void {
  const row = paste.mask.rows[y];
  if (row === undefined) return;
  const { support, solid } = row;
  if (solid.end <= solid.start) {
    pasteSpan(paste, y, support.start, support.end, false);
    return;
  }
  pasteSpan(paste, y, support.start, solid.start, false);
  pasteSpan(paste, y, solid.start, solid.end, true);
  pasteSpan(paste, y, solid.end, support.end, false);
}

/** Pastes faces at one resolution on the calling thread; keeps tables and the last soft mask. */
export class FacePaster {
  readonly #resolution: number;
  readonly #crop: CropSize;
  readonly #resizer: BicubicResizer;
  readonly #masks = new SoftMaskBuilder();
  #last: { readonly key: string; readonly mask: SoftMask } | undefined;

  constructor(resolution: number) {
    this.#resolution = resolution;
    this.#crop = cropSize(resolution);
    this.#resizer = new BicubicResizer({ sourceSize: resolution, ...this.#crop });
  }

  /**
   * Blends `face` over `background` in place.
   * @param face `[3, resolution, resolution]` float32 in [-1, 1]
   * @param background the frame's pixels in `faceRegion(matrix, ...)`; changed
   * @throws LatentSyncError `invalid_argument`
   */
  restore(face: Float32Array, background: ImagePatch, matrix: AffineMatrix): void {
    const size = this.#resolution;
    if (face.length !== 3 * size * size) {
      throw new LatentSyncError(
        "invalid_argument",
        `Face aligner: the face to restore must be [3, ${size}, ${size}], that is ` +
          `${3 * size * size} numbers, got ${face.length}.`,
        { hint: "Use one aligner per resolution and pass one face at a time." },
      );
    }
    const mask = this.#softMask(background, matrix);
    const paste: Paste = {
      face: this.#resizer.resize(face, GAIN, OFFSET),
      matrix: shiftOrigin(matrix, background),
      crop: this.#crop,
      mask,
      patch: background,
    };
    for (let y = 0; y < background.height; y++) pasteRow(paste, y);
  }

  /** The mask depends on the matrix and the rectangle alone, which a still face repeats. */
  #softMask(background: ImagePatch, matrix: AffineMatrix): SoftMask {
    const bounds = checkBackground(background, matrix, this.#crop);
    const { x, y, width, height }: Rectangle = background;
    const key = [...matrix, x, y, width, height].join(" ");
    if (this.#last?.key === key) return this.#last.mask;
    this.#last = undefined;
    const mask = this.#masks.build(background, matrix, this.#crop, bounds);
    this.#last = { key, mask };
    return mask;
  }
}
