/**
 * Where the face's crop lies in the frame: sizes, the three-point template and the bounding box.
 * Sizes and template are those of `latentsync/utils/affine_transform.py`
 * (bytedance/LatentSync a229c39).
 */
import {
  type AffineMatrix,
  type AlignmentPoints,
  type ImagePatch,
  LatentSyncError,
  type Rectangle,
} from "@ls/core";

/** Width and height of the crop that lies between the frame and the model's square. */
export interface CropSize {
  readonly width: number;
  readonly height: number;
}

/** Pixels from `left`, `top` up to, not including, `right`, `bottom`. */
export interface Bounds {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const SMALLEST_RESOLUTION = 16;
const LARGEST_RESOLUTION = 4096;
const SMALLEST_DETERMINANT = 1e-9;

/** @throws LatentSyncError `invalid_argument` */
export function checkResolution(resolution: number): void {
  if (
    Number.isInteger(resolution) &&
    resolution >= SMALLEST_RESOLUTION &&
    resolution <= LARGEST_RESOLUTION
  ) {
    return;
  }
  throw new LatentSyncError(
    "invalid_argument",
    `Face aligner: resolution must be a whole number from ${SMALLEST_RESOLUTION} to ` +
      `${LARGEST_RESOLUTION}, got ${String(resolution)}.`,
    { hint: "Use the resolution of the model: 256 or 512." },
  );
}

/**
 * Added before a pixel is truncated to 8 bits, so that a value meant to be whole does not fall to
 * the one below by rounding. The official arithmetic, in single precision, leaves that to chance.
 */
export const TRUNCATION_SLACK = 1e-6;

/** Scale of the 75 x 100 template at `resolution`. */
function templateScale(resolution: number): number {
  return (resolution / 256) * 2.8;
}

/** Size of the crop at `resolution`: 210 x 280 at 256. */
export function cropSize(resolution: number): CropSize {
  const scale = templateScale(resolution);
  return { width: Math.floor(75 * scale), height: Math.floor(100 * scale) };
}

/** Where the brows and the nose come to lie in the crop, in pixels. */
export function faceTemplate(resolution: number): AlignmentPoints {
  const scale = templateScale(resolution);
  return [
    [17 * scale, 20 * scale],
    [58 * scale, 20 * scale],
    [37.5 * scale, 40 * scale],
  ];
}

/** The inverse mapping. @throws LatentSyncError `invalid_argument` if there is none. */
export function invertAffine(matrix: AffineMatrix): AffineMatrix {
  const [a, b, tx, c, d, ty] = matrix;
  const determinant = a * d - b * c;
  if (
    matrix.length !== 6 ||
    !matrix.every(Number.isFinite) ||
    !(Math.abs(determinant) >= SMALLEST_DETERMINANT)
  ) {
    throw new LatentSyncError(
      "invalid_argument",
      `Face aligner: the matrix must be six finite numbers with a determinant of at least ` +
        `${SMALLEST_DETERMINANT}, got [${matrix.join(", ")}].`,
      { hint: "Take the matrix from `createTransform().next(points)`." },
    );
  }
  return [
    d / determinant,
    -b / determinant,
    (b * ty - d * tx) / determinant,
    -c / determinant,
    a / determinant,
    (c * tx - a * ty) / determinant,
  ];
}

/**
 * Every pixel that the crop samples or the paste changes, with at least one pixel more on the left
 * and top and two on the right and bottom; not clipped to a frame.
 */
function faceBounds(matrix: AffineMatrix, crop: CropSize): Bounds {
  const [a, b, tx, c, d, ty] = invertAffine(matrix);
  // Bilinear sampling reaches one pixel past the crop's outermost centres.
  const corners: readonly (readonly [number, number])[] = [
    [-1, -1],
    [crop.width, -1],
    [-1, crop.height],
    [crop.width, crop.height],
  ];
  const xs = corners.map(([u, v]) => a * u + b * v + tx);
  const ys = corners.map(([u, v]) => c * u + d * v + ty);
  return {
    left: Math.floor(Math.min(...xs)) - 1,
    top: Math.floor(Math.min(...ys)) - 1,
    right: Math.ceil(Math.max(...xs)) + 2,
    bottom: Math.ceil(Math.max(...ys)) + 2,
  };
}

/**
 * `faceBounds` clipped to a `width` x `height` frame. A face wholly outside the frame gets the one
 * pixel nearest to it, so that a region is never empty.
 * @throws LatentSyncError `invalid_argument`
 */
export function faceRegion(
  matrix: AffineMatrix,
  crop: CropSize,
  width: number,
  height: number,
): Rectangle {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new LatentSyncError(
      "invalid_argument",
      `Face aligner: a frame must be at least 1 x 1 pixels, got ${width} x ${height}.`,
      { hint: "Pass the width and height of the decoded frame." },
    );
  }
  const bounds = faceBounds(matrix, crop);
  const x = Math.min(Math.max(bounds.left, 0), width - 1);
  const y = Math.min(Math.max(bounds.top, 0), height - 1);
  return {
    x,
    y,
    width: Math.min(Math.max(bounds.right, x + 1), width) - x,
    height: Math.min(Math.max(bounds.bottom, y + 1), height) - y,
  };
}

function isClippedRange(start: number, length: number, low: number, high: number): boolean {
  if (!Number.isInteger(start) || !Number.isInteger(length) || start < 0 || length < 1) {
    return false;
  }
  const wholeStart = start === Math.max(low, 0) || (start < low && length === 1);
  return wholeStart && start + length <= Math.max(high, start + 1);
}

/** @throws LatentSyncError `invalid_argument` unless `patch` can be a `faceRegion` of `matrix`. */
export function checkBackground(patch: ImagePatch, matrix: AffineMatrix, crop: CropSize): Bounds {
  const bounds = faceBounds(matrix, crop);
  const { x, y, width, height, data } = patch;
  if (
    !isClippedRange(x, width, bounds.left, bounds.right) ||
    !isClippedRange(y, height, bounds.top, bounds.bottom)
  ) {
    throw new LatentSyncError(
      "invalid_argument",
      `Face aligner: the background at (${x}, ${y}) of ${width} x ${height} pixels is not the ` +
        `region of its matrix, which is (${bounds.left}, ${bounds.top}) to ` +
        `(${bounds.right}, ${bounds.bottom}) clipped to the frame.`,
      { hint: "Take the pixels of `region(matrix, width, height)`." },
    );
  }
  if (data.length !== width * height * 3) {
    throw new LatentSyncError(
      "invalid_argument",
      `Face aligner: a background of ${width} x ${height} pixels must have ` +
        `${width * height * 3} bytes of RGB, got ${data.length}.`,
      { hint: "Pass interleaved RGB without padding." },
    );
  }
  return bounds;
}
