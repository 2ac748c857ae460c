/**
 * The paste written out step by step over the whole frame, slowly and without any of the product's
 * code: an oracle for what the product computes on a patch with short cuts.
 */
import type { AffineMatrix, RgbImage } from "@ls/core";

export interface CropImage {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]` */
  readonly data: ArrayLike<number>;
}

/** Bilinear value of a channel at `x`, `y`; `outside` counts for pixels that are not there. */
function bilinear(image: CropImage, x: number, y: number, channel: number, outside: number) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  let value = 0;
  for (const [row, rowWeight] of [
    [top, 1 - (y - top)],
    [top + 1, y - top],
  ] as const) {
    for (const [column, columnWeight] of [
      [left, 1 - (x - left)],
      [left + 1, x - left],
    ] as const) {
      const inside = row >= 0 && row < image.height && column >= 0 && column < image.width;
      const pixel = inside ? image.data[(row * image.width + column) * 3 + channel]! : outside;
      value += pixel * rowWeight * columnWeight;
    }
  }
  return value;
}

/** Least value in a window that is cut off at the frame's edges. */
function erode(
  plane: Float64Array,
  width: number,
  height: number,
  before: number,
  after: number,
): Float64Array {
  return plane.map((_, index) => {
    const x = index % width;
    const y = Math.floor(index / width);
    let least = Number.POSITIVE_INFINITY;
    for (let row = Math.max(y - before, 0); row <= Math.min(y + after, height - 1); row++) {
      for (
        let column = Math.max(x - before, 0);
        column <= Math.min(x + after, width - 1);
        column++
      ) {
        least = Math.min(least, plane[row * width + column]!);
      }
    }
    return least;
  });
}

function mirror(index: number, length: number): number {
  let at = index;
  while (at < 0 || at >= length) at = at < 0 ? -at : 2 * (length - 1) - at;
  return at;
}

function blur(plane: Float64Array, width: number, height: number, edge: number): Float64Array {
  const sigma = 0.3 * (edge - 1) + 0.8;
  const kernel = Array.from({ length: 2 * edge + 1 }, (_, tap) =>
    Math.exp(-((tap - edge) ** 2) / (2 * sigma ** 2)),
  );
  const sum = kernel.reduce((total, weight) => total + weight, 0);
  const along = (source: Float64Array, stepX: number, stepY: number): Float64Array =>
    source.map((_, index) => {
      const x = index % width;
      const y = Math.floor(index / width);
      return kernel.reduce((total, weight, tap) => {
        const column = mirror(x + (tap - edge) * stepX, width);
        const row = mirror(y + (tap - edge) * stepY, height);
        return total + (weight / sum) * source[row * width + column]!;
      }, 0);
    });
  return along(along(plane, 1, 0), 0, 1);
}

/**
 * Pastes a face that is already resized to the crop, in pixels but not clamped.
 * The result is not truncated.
 */
export function pasteFullFrame(
  frame: RgbImage,
  face: CropImage,
  matrix: AffineMatrix,
): Float64Array {
  const { width, height } = frame;
  const [a, b, tx, c, d, ty] = matrix;
  const u = (index: number): number => a * (index % width) + b * Math.floor(index / width) + tx;
  const v = (index: number): number => c * (index % width) + d * Math.floor(index / width) + ty;
  const ones = { ...face, data: new Uint8Array(face.width * face.height * 3).fill(1) };
  const mask = new Float64Array(width * height).map((_, index) =>
    bilinear(ones, u(index), v(index), 0, 0),
  );
  const eroded = erode(mask, width, height, 1, 0);
  const area = eroded.reduce((sum, value) => sum + value, 0);
  const edge = Math.floor(Math.floor(Math.sqrt(area)) / 20);
  const centre =
    edge === 0 ? erode(eroded, width, height, 1, 1) : erode(eroded, width, height, edge, edge - 1);
  const soft = blur(centre, width, height, edge);
  return Float64Array.from(frame.data, (pixel, at) => {
    const index = Math.floor(at / 3);
    const outside = (127 / 2 + 0.5) * 255;
    const value = bilinear(face, u(index), v(index), at % 3, outside);
    const pasted = Math.min(Math.max(value, 0), 255) * eroded[index]!;
    return soft[index]! * pasted + (1 - soft[index]!) * pixel;
  });
}

/** Warps the crop out of the whole frame: `[height, width, 3]`, not truncated, 127 outside. */
export function cropFullFrame(
  frame: RgbImage,
  matrix: AffineMatrix,
  width: number,
  height: number,
): Float64Array {
  const [a, b, tx, c, d, ty] = matrix;
  const determinant = a * d - b * c;
  return new Float64Array(width * height * 3).map((_, at) => {
    const pixel = Math.floor(at / 3);
    const u = (pixel % width) - tx;
    const v = Math.floor(pixel / width) - ty;
    const x = (d * u - b * v) / determinant;
    const y = (a * v - c * u) / determinant;
    return bilinear(frame, x, y, at % 3, 127);
  });
}
