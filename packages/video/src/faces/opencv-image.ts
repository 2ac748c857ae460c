/**
 * Two image operations as OpenCV 4 computes them for 8-bit images, rounding included:
 * `resize` with INTER_LINEAR and `warpAffine` with INTER_LINEAR and a black border
 * (`modules/imgproc/src/resize.cpp` and `imgwarp.cpp`, 4.x).
 * Difference: none intended; OpenCV's own variants by processor differ in the last bit.
 */
import type { AffineMatrix, RgbImage } from "@ls/core";

const RESIZE_ONE = 1 << 11;
const WARP_STEP_BITS = 5;
const WARP_STEPS = 1 << WARP_STEP_BITS;
const WARP_FRACTION_BITS = 10;

/** Rounds to the nearest whole number, ties to even. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction !== 0.5) return fraction < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

interface ResizeAxis {
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Weights of both in 1/2048. */
  readonly firstWeight: Int32Array;
  readonly secondWeight: Int32Array;
}

function resizeAxis(from: number, to: number, clampWeights: boolean): ResizeAxis {
  const axis = {
    first: new Int32Array(to),
    second: new Int32Array(to),
    firstWeight: new Int32Array(to),
    secondWeight: new Int32Array(to),
  };
  for (let index = 0; index < to; index++) {
    const position = Math.fround((index + 0.5) * (from / to) - 0.5);
    let start = Math.floor(position);
    let fraction = Math.fround(position - start);
    if (clampWeights && (start < 0 || start >= from - 1)) {
      start = start < 0 ? 0 : from - 1;
      fraction = 0;
    }
    axis.first[index] = Math.min(Math.max(start, 0), from - 1);
    axis.second[index] = Math.min(Math.max(start + 1, 0), from - 1);
    axis.firstWeight[index] = roundHalfEven(Math.fround(1 - fraction) * RESIZE_ONE);
    axis.secondWeight[index] = roundHalfEven(fraction * RESIZE_ONE);
  }
  return axis;
}

/** `cv2.resize(image, (width, height))`. */
export function resizeLinear(image: RgbImage, width: number, height: number): RgbImage {
  if (image.width === width && image.height === height) return image;
  if (image.width === 2 * width && image.height === 2 * height) return halve(image);
  const columns = resizeAxis(image.width, width, true);
  const rows = resizeAxis(image.height, height, false);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const above = (rows.first[y] as number) * image.width;
    const below = (rows.second[y] as number) * image.width;
    const aboveWeight = rows.firstWeight[y] as number;
    const belowWeight = rows.secondWeight[y] as number;
    for (let x = 0; x < width; x++) {
      const left = columns.first[x] as number;
      const right = columns.second[x] as number;
      const leftWeight = columns.firstWeight[x] as number;
      const rightWeight = columns.secondWeight[x] as number;
      for (let channel = 0; channel < 3; channel++) {
        const upper =
          (image.data[(above + left) * 3 + channel] as number) * leftWeight +
          (image.data[(above + right) * 3 + channel] as number) * rightWeight;
        const lower =
          (image.data[(below + left) * 3 + channel] as number) * leftWeight +
          (image.data[(below + right) * 3 + channel] as number) * rightWeight;
        data[(y * width + x) * 3 + channel] =
          (((aboveWeight * (upper >> 4)) >> 16) + ((belowWeight * (lower >> 4)) >> 16) + 2) >> 2;
      }
    }
  }
  return { width, height, data };
}

/** OpenCV averages 2x2 pixels where an image becomes exactly half as large. */
function halve(image: RgbImage): RgbImage {
  const width = image.width / 2;
  const height = image.height / 2;
  const data = new Uint8Array(width * height * 3);
  const stride = image.width * 3;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const source = y * 2 * stride + x * 6 + channel;
        const sum =
          (image.data[source] as number) +
          (image.data[source + 3] as number) +
          (image.data[source + stride] as number) +
          (image.data[source + stride + 3] as number);
        data[(y * width + x) * 3 + channel] = (sum + 2) >> 2;
      }
    }
  }
  return { width, height, data };
}

/** `cv2.invertAffineTransform(matrix)`. */
export function invertAffine([a, b, tx, c, d, ty]: AffineMatrix): AffineMatrix {
  const determinant = a * d - b * c;
  const scale = determinant === 0 ? 0 : 1 / determinant;
  const inverse = [d * scale, -b * scale, -c * scale, a * scale] as const;
  return [
    inverse[0],
    inverse[1],
    -inverse[0] * tx - inverse[1] * ty,
    inverse[2],
    inverse[3],
    -inverse[2] * tx - inverse[3] * ty,
  ];
}

/** `cv2.warpAffine(image, matrix, (size, size), borderValue=0)`. */
export function warpAffineLinear(image: RgbImage, matrix: AffineMatrix, size: number): RgbImage {
  const [a, b, tx, c, d, ty] = invertAffine(matrix);
  const one = 1 << WARP_FRACTION_BITS;
  const half = one / WARP_STEPS / 2;
  const shift = WARP_FRACTION_BITS - WARP_STEP_BITS;
  const data = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const startX = roundHalfEven((b * y + tx) * one) + half;
    const startY = roundHalfEven((d * y + ty) * one) + half;
    for (let x = 0; x < size; x++) {
      const sourceX = (startX + roundHalfEven(a * x * one)) >> shift;
      const sourceY = (startY + roundHalfEven(c * x * one)) >> shift;
      blendPixel(image, sourceX, sourceY, data, (y * size + x) * 3);
    }
  }
  return { width: size, height: size, data };
}

/** Blends four pixels; the position is in 1/32 pixels. */
function blendPixel(
  { width, height, data }: RgbImage,
  sourceX: number,
  sourceY: number,
  output: Uint8Array,
  target: number,
): void {
  const left = sourceX >> WARP_STEP_BITS;
  const top = sourceY >> WARP_STEP_BITS;
  if (left < -1 || top < -1 || left >= width || top >= height) return;
  const right = sourceX & (WARP_STEPS - 1);
  const below = sourceY & (WARP_STEPS - 1);
  const hasLeft = left >= 0;
  const hasTop = top >= 0;
  const hasRight = left + 1 < width;
  const hasBelow = top + 1 < height;
  const weight00 = hasLeft && hasTop ? (WARP_STEPS - right) * (WARP_STEPS - below) : 0;
  const weight01 = hasRight && hasTop ? right * (WARP_STEPS - below) : 0;
  const weight10 = hasLeft && hasBelow ? (WARP_STEPS - right) * below : 0;
  const weight11 = hasRight && hasBelow ? right * below : 0;
  const source = (top * width + left) * 3;
  const stride = width * 3;
  for (let channel = 0; channel < 3; channel++) {
    const at = source + channel;
    const sum =
      (weight00 === 0 ? 0 : (data[at] as number) * weight00) +
      (weight01 === 0 ? 0 : (data[at + 3] as number) * weight01) +
      (weight10 === 0 ? 0 : (data[at + stride] as number) * weight10) +
      (weight11 === 0 ? 0 : (data[at + stride + 3] as number) * weight11);
    output[target + channel] = (sum + 512) >> 10;
  }
}

/**
 * `cv2.dnn.blobFromImage(image, 1 / deviation, size, (mean, mean, mean), swapRB=True)`: the channels
 * in reverse order, so that RGB becomes BGR as in the official pipeline.
 * @returns `[3, height, width]` float32.
 */
export function channelSwappedBlob(image: RgbImage, mean: number, deviation: number): Float32Array {
  const area = image.width * image.height;
  const blob = new Float32Array(3 * area);
  const scale = 1 / deviation;
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      blob[channel * area + pixel] =
        ((image.data[pixel * 3 + 2 - channel] as number) - mean) * scale;
    }
  }
  return blob;
}
