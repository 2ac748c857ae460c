/**
 * Moves the edges of a rough mask to those of the picture: the guided filter of He, Sun and Tang
 * (2010), with the picture's light as the guide.
 */

/** Reach in pixels of 256. */
const REACH = 5;
/** Variance of light, of 1, that counts as an edge. */
const EDGE_VARIANCE = 4e-4;

/**
 * @param rough `[side, side]` float32 from 0 to 1.
 * @param face `[3, side, side]` uint8, RGB planes.
 * @returns `[side, side]` float32 from 0 to 1.
 */
export function fitEdges(
  rough: Float32Array,
  face: Uint8Array,
  side: number,
): Float32Array<ArrayBuffer> {
  const plane = side * side;
  const reach = Math.max(1, Math.round((REACH * side) / 256));
  const mean = (values: Float32Array): Float32Array => boxMean(values, side, reach);
  const guide = new Float32Array(plane);
  for (let index = 0; index < plane; index++) {
    guide[index] =
      ((face[index] as number) +
        2 * (face[index + plane] as number) +
        (face[index + 2 * plane] as number)) /
      1020;
  }
  const product = (a: Float32Array, b: Float32Array): Float32Array =>
    a.map((value, index) => value * (b[index] as number));
  const guideMean = mean(guide);
  const roughMean = mean(rough);
  const variance = mean(product(guide, guide));
  const covariance = mean(product(guide, rough));
  const slope = covariance.map((value, index) => {
    const middle = guideMean[index] as number;
    const spread = (variance[index] as number) - middle * middle;
    return (value - middle * (roughMean[index] as number)) / (spread + EDGE_VARIANCE);
  });
  const offset = roughMean.map(
    (value, index) => value - (slope[index] as number) * (guideMean[index] as number),
  );
  const slopeMean = mean(slope);
  const offsetMean = mean(offset);
  return guide.map((value, index) => {
    const fitted = (slopeMean[index] as number) * value + (offsetMean[index] as number);
    return Math.min(Math.max(fitted, 0), 1);
  });
}

/** The mean of the square of `2 * reach + 1` pixels around each one, of those inside the picture. */
function boxMean(values: Float32Array, side: number, reach: number): Float32Array {
  const across = new Float32Array(values.length);
  const result = new Float32Array(values.length);
  for (let line = 0; line < side; line++) slide(values, across, line * side, 1, side, reach);
  for (let column = 0; column < side; column++) slide(across, result, column, side, side, reach);
  return result;
}

function slide(
  values: Float32Array,
  result: Float32Array,
  start: number,
  stride: number,
  count: number,
  reach: number,
): void {
  let sum = 0;
  for (let index = 0; index < reach && index < count; index++) {
    sum += values[start + index * stride] as number;
  }
  for (let index = 0; index < count; index++) {
    if (index + reach < count) sum += values[start + (index + reach) * stride] as number;
    if (index - reach - 1 >= 0) sum -= values[start + (index - reach - 1) * stride] as number;
    const first = Math.max(0, index - reach);
    const last = Math.min(count - 1, index + reach);
    result[start + index * stride] = sum / (last - first + 1);
  }
}
