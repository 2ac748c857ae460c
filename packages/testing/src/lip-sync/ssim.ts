/**
 * Structural similarity after Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from
 * error visibility to structural similarity" (2004): luma, 11 x 11 Gaussian windows of sigma 1.5
 * that lie wholly inside the picture, K1 = 0.01, K2 = 0.03, no downsampling.
 */
import type { Rectangle, RgbImage } from "@ls/core";

const WINDOW = 11;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;
/** Means of a, b, a * a, b * b and a * b. */
const MOMENTS = 5;

const WEIGHTS = gaussian();

function gaussian(): Float64Array {
  const weights = Float64Array.from({ length: WINDOW }, (_, index) =>
    Math.exp(-((index - (WINDOW - 1) / 2) ** 2) / (2 * SIGMA ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Mean structural similarity of two pictures of one size, 1 when equal.
 * @param excluded pixels that are not compared: no window that touches one counts.
 * @returns `undefined` if no window is left.
 */
export function ssim(a: RgbImage, b: RgbImage, excluded?: Rectangle): number | undefined {
  if (a.width !== b.width || a.height !== b.height) {
    throw new Error(`Cannot compare ${a.width}x${a.height} with ${b.width}x${b.height} pixels.`);
  }
  const columns = a.width - WINDOW + 1;
  if (columns < 1 || a.height < WINDOW) return undefined;
  const [lumaA, lumaB] = [luma(a), luma(b)];
  // The last rows, filtered along x; a row goes where the one that is no longer needed was.
  const rows = Array.from({ length: WINDOW }, () => new Float64Array(MOMENTS * columns));
  let sum = 0;
  let windows = 0;
  for (let y = 0; y < a.height; y++) {
    filterRow(lumaA, lumaB, y * a.width, columns, rows[y % WINDOW] as Float64Array);
    const top = y - WINDOW + 1;
    if (top < 0) continue;
    const hole = excludedWindows(excluded, top, columns);
    for (let x = 0; x < columns; x++) {
      if (x >= hole.start && x < hole.end) continue;
      sum += similarity(rows, top, x, columns);
      windows++;
    }
  }
  return windows === 0 ? undefined : sum / windows;
}

/** The columns whose window in row `top` touches the excluded rectangle. */
function excludedWindows(
  excluded: Rectangle | undefined,
  top: number,
  columns: number,
): { readonly start: number; readonly end: number } {
  if (excluded === undefined || top + WINDOW <= excluded.y || top >= excluded.y + excluded.height) {
    return { start: columns, end: columns };
  }
  return { start: excluded.x - WINDOW + 1, end: excluded.x + excluded.width };
}

/** ITU-R BT.601 luma, 0 to 255. */
function luma({ width, height, data }: RgbImage): Float64Array {
  const values = new Float64Array(width * height);
  for (let pixel = 0; pixel < values.length; pixel++) {
    values[pixel] =
      0.299 * (data[pixel * 3] as number) +
      0.587 * (data[pixel * 3 + 1] as number) +
      0.114 * (data[pixel * 3 + 2] as number);
  }
  return values;
}

/** The five moments of a row, `[5, columns]`. */
function filterRow(
  a: Float64Array,
  b: Float64Array,
  start: number,
  columns: number,
  to: Float64Array,
): void {
  to.fill(0);
  for (let tap = 0; tap < WINDOW; tap++) {
    const weight = WEIGHTS[tap] as number;
    for (let x = 0; x < columns; x++) {
      const valueA = a[start + x + tap] as number;
      const valueB = b[start + x + tap] as number;
      const weightedA = weight * valueA;
      const weightedB = weight * valueB;
      to[x] = (to[x] as number) + weightedA;
      to[columns + x] = (to[columns + x] as number) + weightedB;
      to[2 * columns + x] = (to[2 * columns + x] as number) + weightedA * valueA;
      to[3 * columns + x] = (to[3 * columns + x] as number) + weightedB * valueB;
      to[4 * columns + x] = (to[4 * columns + x] as number) + weightedA * valueB;
    }
  }
}

/** The similarity of one window. */
function similarity(
  rows: readonly Float64Array[],
  top: number,
  x: number,
  columns: number,
): number {
  let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
  for (let tap = 0; tap < WINDOW; tap++) {
    const row = rows[(top + tap) % WINDOW] as Float64Array;
    const weight = WEIGHTS[tap] as number;
    a += weight * (row[x] as number);
    b += weight * (row[columns + x] as number);
    aa += weight * (row[2 * columns + x] as number);
    bb += weight * (row[3 * columns + x] as number);
    ab += weight * (row[4 * columns + x] as number);
  }
  const covariance = ab - a * b;
  const variances = aa - a * a + (bb - b * b);
  return ((2 * a * b + C1) * (2 * covariance + C2)) / ((a * a + b * b + C1) * (variances + C2));
}
