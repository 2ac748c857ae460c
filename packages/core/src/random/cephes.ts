/**
 * Single-precision logarithm, sine and cosine as the Cephes library's polynomials (S. Moshier)
 * evaluate them with fused multiply-adds: the approximations that PyTorch's vectorised fill of normal
 * numbers uses, so that draws agree in the last bit.
 */

const { fround } = Math;

/** `a * b + c`, rounded once (but for the rare double rounding: a float32 product is exact in double). */
function fusedMultiplyAdd(a: number, b: number, c: number): number {
  return fround(a * b + c);
}

function horner(coefficients: readonly number[], x: number): number {
  let value = coefficients[0] as number;
  for (let index = 1; index < coefficients.length; index++) {
    value = fusedMultiplyAdd(value, x, coefficients[index] as number);
  }
  return value;
}

const rounded = (values: readonly number[]): readonly number[] => values.map(fround);

const ROOT_HALF = fround(Math.SQRT1_2);
const LN2_HIGH = 0.693359375;
const LN2_LOW = fround(-2.1219444e-4);
const LOG_POLYNOMIAL = rounded([
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1,
  -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
]);

const bits = new Int32Array(1);
const bitsAsFloat = new Float32Array(bits.buffer);

/** Natural logarithm of a normal, positive float32. */
export function logFloat32(value: number): number {
  bitsAsFloat[0] = value;
  const word = bits[0] as number;
  let exponent = (word >> 23) - 126;
  bits[0] = (word & 0x007fffff) | 0x3f000000;
  let x = bitsAsFloat[0];
  if (x < ROOT_HALF) {
    exponent -= 1;
    x = fround(fround(x - 1) + x);
  } else {
    x = fround(x - 1);
  }
  const square = fround(x * x);
  let y = fround(horner(LOG_POLYNOMIAL, x) * x);
  y = fusedMultiplyAdd(y, square, fround(exponent * LN2_LOW));
  y = fusedMultiplyAdd(square, -0.5, y);
  return fusedMultiplyAdd(exponent, LN2_HIGH, fround(x + y));
}

const FOUR_OVER_PI = fround(4 / Math.PI);
/** Pi / 4 in three parts, for a reduction that loses no bits. */
const PI_OVER_4_PARTS = rounded([-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8]);
const SIN_POLYNOMIAL = rounded([-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]);
const COS_POLYNOMIAL = rounded([2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]);

/** Sine and cosine of a float32 of moderate size, not negative. */
export function sinCosFloat32(angle: number): readonly [sine: number, cosine: number] {
  const octant = (Math.trunc(fround(angle * FOUR_OVER_PI)) + 1) & ~1;
  let x = angle;
  for (const part of PI_OVER_4_PARTS) x = fusedMultiplyAdd(octant, part, x);
  const square = fround(x * x);
  const tail = fround(horner(COS_POLYNOMIAL, square) * square);
  const cosine = fround(fusedMultiplyAdd(tail, square, fround(square * -0.5)) + 1);
  const sine = fusedMultiplyAdd(fround(horner(SIN_POLYNOMIAL, square) * square), x, x);
  const [first, second] = (octant & 2) === 0 ? [sine, cosine] : [cosine, sine];
  return [(octant & 4) === 0 ? first : -first, ((octant - 2) & 4) === 0 ? -second : second];
}
