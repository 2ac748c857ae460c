/**
 * 8-bit Lanczos resampling over eight taps in fixed point: what `resize` with `INTER_LANCZOS4` of
 * OpenCV 4.9 (`modules/imgproc/src/resize.cpp`) gives, bit for bit. No antialiasing. The weights
 * are computed from the kernel's formula instead of OpenCV's table of octants.
 */

const TAPS = 8;
const WEIGHT_BITS = 11;
const WEIGHT_ONE = 1 << WEIGHT_BITS;
const ROUND_SHIFT = 2 * WEIGHT_BITS;
const ROUND_HALF = 1 << (ROUND_SHIFT - 1);
const SINGLE_EPSILON = 2 ** -23;

interface LanczosTable {
  /** `[size * 8]` source positions, repeated at the borders. */
  readonly positions: Int32Array;
  /** `[size * 8]` weights of 11 fractional bits. */
  readonly weights: Int32Array;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}

/** Lanczos weights of the eight pixels around a position `fraction` past the fourth of them. */
function lanczosWeights(fraction: number): Float32Array {
  const weights = new Float32Array(TAPS);
  if (fraction < SINGLE_EPSILON) {
    weights[3] = 1;
    return weights;
  }
  let sum = 0;
  for (let tap = 0; tap < TAPS; tap++) {
    const distance = fraction + 3 - tap;
    // sin(pi * distance) differs between taps in its sign alone, and the sum cancels the rest.
    const sign = tap % 2 === 0 ? -1 : 1;
    const angle = (distance * Math.PI) / 4;
    weights[tap] = (sign * Math.sin(angle)) / (angle * angle);
    sum = Math.fround(sum + (weights[tap] as number));
  }
  const scale = Math.fround(1 / sum);
  for (let tap = 0; tap < TAPS; tap++) weights[tap] = (weights[tap] as number) * scale;
  return weights;
}

function lanczosTable(sourceSize: number, size: number): LanczosTable {
  const positions = new Int32Array(size * TAPS);
  const weights = new Int32Array(size * TAPS);
  // OpenCV inverts the ratio twice, which can round differently from one division.
  const scale = 1 / (size / sourceSize);
  for (let index = 0; index < size; index++) {
    const position = Math.fround((index + 0.5) * scale - 0.5);
    const whole = Math.floor(position);
    const taps = lanczosWeights(Math.fround(position - whole));
    for (let tap = 0; tap < TAPS; tap++) {
      positions[index * TAPS + tap] = Math.min(Math.max(whole - 3 + tap, 0), sourceSize - 1);
      weights[index * TAPS + tap] = roundHalfToEven((taps[tap] as number) * WEIGHT_ONE);
    }
  }
  return { positions, weights };
}

/** Resizes images of one size to another; keeps its tables and its buffer between calls. */
export class LanczosResizer {
  readonly #sourceWidth: number;
  readonly #sourceHeight: number;
  readonly #width: number;
  readonly #height: number;
  readonly #channels: number;
  readonly #columns: LanczosTable;
  readonly #rows: LanczosTable;
  /** `[sourceHeight, width, channels]` with 11 fractional bits. */
  readonly #between: Int32Array;

  constructor(options: {
    readonly sourceWidth: number;
    readonly sourceHeight: number;
    readonly width: number;
    readonly height: number;
    readonly channels: 1 | 3;
  }) {
    this.#sourceWidth = options.sourceWidth;
    this.#sourceHeight = options.sourceHeight;
    this.#width = options.width;
    this.#height = options.height;
    this.#channels = options.channels;
    this.#columns = lanczosTable(options.sourceWidth, options.width);
    this.#rows = lanczosTable(options.sourceHeight, options.height);
    this.#between = new Int32Array(options.sourceHeight * options.width * options.channels);
  }

  /** `[sourceHeight, sourceWidth, channels]` interleaved to `[channels, height, width]` planes. */
  resize(source: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#sourceWidth === this.#width && this.#sourceHeight === this.#height) {
      return this.#toPlanes(source);
    }
    if (this.#channels === 3) this.#resizeColumnsRgb(source);
    else this.#resizeColumns(source);
    return this.#resizeRows();
  }

  #toPlanes(source: Uint8Array): Uint8Array<ArrayBuffer> {
    const size = this.#width * this.#height;
    const planes = new Uint8Array(size * this.#channels);
    for (let channel = 0; channel < this.#channels; channel++) {
      for (let index = 0; index < size; index++) {
        planes[channel * size + index] = source[index * this.#channels + channel] as number;
      }
    }
    return planes;
  }

  #resizeColumns(source: Uint8Array): void {
    const { positions, weights } = this.#columns;
    for (let y = 0; y < this.#sourceHeight; y++) {
      const from = y * this.#sourceWidth;
      for (let x = 0; x < this.#width; x++) {
        let sum = 0;
        for (let tap = x * TAPS; tap < (x + 1) * TAPS; tap++) {
          sum += (source[from + (positions[tap] as number)] as number) * (weights[tap] as number);
        }
        this.#between[y * this.#width + x] = sum;
      }
    }
  }

  #resizeColumnsRgb(source: Uint8Array): void {
    const { positions, weights } = this.#columns;
    const between = this.#between;
    const width = this.#width;
    let to = 0;
    for (let y = 0; y < this.#sourceHeight; y++) {
      const from = y * this.#sourceWidth;
      for (let x = 0; x < width; x++) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let tap = x * TAPS; tap < (x + 1) * TAPS; tap++) {
          const pixel = (from + (positions[tap] as number)) * 3;
          const weight = weights[tap] as number;
          red = (red + (source[pixel] as number) * weight) | 0;
          green = (green + (source[pixel + 1] as number) * weight) | 0;
          blue = (blue + (source[pixel + 2] as number) * weight) | 0;
        }
        between[to] = red;
        between[to + 1] = green;
        between[to + 2] = blue;
        to += 3;
      }
    }
  }

  #resizeRows(): Uint8Array<ArrayBuffer> {
    const channels = this.#channels;
    const width = this.#width;
    const size = width * this.#height;
    const planes = new Uint8Array(size * channels);
    const row = new Uint8Array(width * channels);
    for (let y = 0; y < this.#height; y++) {
      this.#resizeRow(y, row);
      for (let channel = 0; channel < channels; channel++) {
        const to = channel * size + y * width;
        for (let x = 0; x < width; x++) planes[to + x] = row[x * channels + channel] as number;
      }
    }
    return planes;
  }

  /** One interleaved row of the result; all taps in one pass, since memory traffic is the cost. */
  #resizeRow(y: number, to: Uint8Array): void {
    const { positions, weights } = this.#rows;
    const between = this.#between;
    const stride = to.length;
    const offset = (tap: number): number => (positions[y * TAPS + tap] as number) * stride;
    const weight = (tap: number): number => weights[y * TAPS + tap] as number;
    const [o0, o1, o2, o3] = [offset(0), offset(1), offset(2), offset(3)];
    const [o4, o5, o6, o7] = [offset(4), offset(5), offset(6), offset(7)];
    const [w0, w1, w2, w3] = [weight(0), weight(1), weight(2), weight(3)];
    const [w4, w5, w6, w7] = [weight(4), weight(5), weight(6), weight(7)];
    for (let index = 0; index < stride; index++) {
      const sum =
        (between[o0 + index] as number) * w0 +
        (between[o1 + index] as number) * w1 +
        (between[o2 + index] as number) * w2 +
        (between[o3 + index] as number) * w3 +
        (between[o4 + index] as number) * w4 +
        (between[o5 + index] as number) * w5 +
        (between[o6 + index] as number) * w6 +
        (between[o7 + index] as number) * w7 +
        ROUND_HALF;
      const value = sum >> ROUND_SHIFT;
      to[index] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}
