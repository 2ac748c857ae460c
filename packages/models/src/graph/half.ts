/** Rounds to IEEE half precision, nearest even; too large becomes infinity. Returns raw bits. */
export function toFloat16Bits(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let index = 0; index < bits.length; index++) {
    result[index] = halfBits(bits[index] as number);
  }
  return result;
}

/** Widens half precision bits; exact. */
export function fromFloat16Bits(halves: Uint16Array): Float32Array {
  const table = halfValues();
  const result = new Float32Array(halves.length);
  for (let index = 0; index < halves.length; index++) {
    result[index] = table[halves[index] as number] as number;
  }
  return result;
}

let halfTable: Float32Array | undefined;

/** The float32 of each of the 65,536 bit patterns, made at first use: whole checkpoints are widened. */
function halfValues(): Float32Array {
  if (halfTable !== undefined) return halfTable;
  halfTable = Float32Array.from({ length: 65_536 }, (_, bits) => halfValue(bits));
  return halfTable;
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // 65520, halfway between the largest half and the next power of two, rounds to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
    return sign | (rounded >>> 13);
  }
  // At or under 2^-25 the result is zero: a tie goes to the even zero.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const halfway = 1 << (shift - 1);
  const rounded = mantissa + halfway - 1 + ((mantissa >>> shift) & 1);
  return sign | (rounded >>> shift);
}
