import { isDeepStrictEqual } from "node:util";
import type { Tensor } from "@ls/core";

type Numbers = ArrayLike<number> | ArrayLike<bigint>;

/** How far `actual` is from `expected`, over all elements. */
export interface Difference {
  readonly maxAbsolute: number;
  readonly meanAbsolute: number;
  /** Position of the largest difference. */
  readonly worstIndex: number;
  /** Cosine of the angle between the two as vectors; 1 when both are zero. */
  readonly cosine: number;
}

/** Compares two arrays of equal length. A NaN on either side makes every figure NaN or Infinity. */
export function difference(actual: Numbers, expected: Numbers): Difference {
  if (actual.length !== expected.length) {
    throw new Error(`Cannot compare ${actual.length} values with ${expected.length}.`);
  }
  let maxAbsolute = 0;
  let worstIndex = 0;
  let sum = 0;
  let dot = 0;
  let actualSquared = 0;
  let expectedSquared = 0;
  for (let index = 0; index < actual.length; index++) {
    const a = Number(actual[index]);
    const e = Number(expected[index]);
    const delta = Math.abs(a - e);
    if (!(delta <= maxAbsolute)) {
      maxAbsolute = Number.isNaN(delta) ? Number.POSITIVE_INFINITY : delta;
      worstIndex = index;
    }
    sum += delta;
    dot += a * e;
    actualSquared += a * a;
    expectedSquared += e * e;
  }
  const norm = Math.sqrt(actualSquared * expectedSquared);
  return {
    maxAbsolute,
    meanAbsolute: actual.length === 0 ? 0 : sum / actual.length,
    worstIndex,
    cosine: norm === 0 ? 1 : dot / norm,
  };
}

/** Throws unless shapes are equal and no element is off by more than `tolerance`. */
export function assertClose(
  actual: Tensor,
  expected: Tensor,
  tolerance: number,
  what = "tensor",
): void {
  if (!isDeepStrictEqual([...actual.dims], [...expected.dims])) {
    throw new Error(
      `${what}: shape [${actual.dims.join(", ")}] instead of [${expected.dims.join(", ")}]`,
    );
  }
  const result = difference(actual.data, expected.data);
  if (!(result.maxAbsolute <= tolerance)) {
    throw new Error(
      `${what}: off by up to ${result.maxAbsolute} (mean ${result.meanAbsolute}, cosine ${result.cosine}) ` +
        `at element ${result.worstIndex}: ${String(actual.data[result.worstIndex])} instead of ` +
        `${String(expected.data[result.worstIndex])}; allowed ${tolerance}`,
    );
  }
}

/** Peak signal-to-noise ratio of 8-bit pixels in dB; Infinity when equal. */
export function psnr(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || actual.length === 0) {
    throw new Error(`Cannot compare ${actual.length} values with ${expected.length}.`);
  }
  let squared = 0;
  for (let index = 0; index < actual.length; index++) {
    squared += (Number(actual[index]) - Number(expected[index])) ** 2;
  }
  return squared === 0
    ? Number.POSITIVE_INFINITY
    : 10 * Math.log10((255 * 255 * actual.length) / squared);
}
