/**
 * Antialiased bicubic resampling of float planes: what torchvision 0.20's `resize` of a tensor with
 * `BICUBIC` and `antialias=True` gives (ATen `UpSampleKernel.cpp`, PyTorch 2.5.1). Intended
 * differences: weights and sums in double precision; the result is interleaved and scaled.
 */

const SHARPNESS = -0.5;
const HALF_SUPPORT = 2;

interface ResamplingTable {
  /** First source position of each output position. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `[size * stride]`; the weights of one position add up to 1. */
  readonly weights: Float64Array;
  readonly stride: number;
}

function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1;
  if (x < 2) return SHARPNESS * (((x - 5) * x + 8) * x - 4);
  return 0;
}

function resamplingTable(sourceSize: number, size: number): ResamplingTable {
  const scale = sourceSize / size;
  const widening = Math.max(scale, 1);
  const support = HALF_SUPPORT * widening;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(size);
  const counts = new Int32Array(size);
  const weights = new Float64Array(size * stride);
  for (let index = 0; index < size; index++) {
    const centre = scale * (index + 0.5);
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), sourceSize) - start;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = cubic((start + tap - centre + 0.5) / widening);
      weights[index * stride + tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap++) {
      weights[index * stride + tap] = (weights[index * stride + tap] as number) / sum;
    }
    starts[index] = start;
    counts[index] = count;
  }
  return { starts, counts, weights, stride };
}

/** Resizes three planes of one size to another; keeps its tables and buffers between calls. */
export class BicubicResizer {
  readonly #sourceSize: number;
  readonly #width: number;
  readonly #height: number;
  readonly #columns: ResamplingTable;
  readonly #rows: ResamplingTable;
  /** `[sourceSize, width]` of one channel. */
  readonly #between: Float64Array;
  readonly #row: Float64Array;
  /** One row and one pixel longer than the image, so that a zero-weight neighbour can be read. */
  readonly #result: Float64Array;

  constructor(options: {
    /** Width and height of the source. */
    readonly sourceSize: number;
    readonly width: number;
    readonly height: number;
  }) {
    this.#sourceSize = options.sourceSize;
    this.#width = options.width;
    this.#height = options.height;
    this.#columns = resamplingTable(options.sourceSize, options.width);
    this.#rows = resamplingTable(options.sourceSize, options.height);
    this.#between = new Float64Array(options.sourceSize * options.width);
    this.#row = new Float64Array(options.width);
    this.#result = new Float64Array(((options.height + 1) * options.width + 1) * 3);
  }

  /**
   * `[3, sourceSize, sourceSize]` planes to `[height, width, 3]` interleaved, each value times
   * `gain` plus `offset`. The result is valid until the next call and has spare elements at its end.
   */
  resize(planes: Float32Array, gain: number, offset: number): Float64Array {
    for (let channel = 0; channel < 3; channel++) {
      this.#resizeColumns(planes, channel * this.#sourceSize * this.#sourceSize);
      this.#resizeRows(channel, gain, offset);
    }
    return this.#result;
  }

  #resizeColumns(planes: Float32Array, plane: number): void {
    const { starts, counts, weights, stride } = this.#columns;
    const between = this.#between;
    const width = this.#width;
    for (let y = 0; y < this.#sourceSize; y++) {
      const from = plane + y * this.#sourceSize;
      for (let x = 0; x < width; x++) {
        const start = from + (starts[x] as number);
        const count = counts[x] as number;
        const table = x * stride;
        let sum = 0;
        for (let tap = 0; tap < count; tap++) {
          sum += (planes[start + tap] as number) * (weights[table + tap] as number);
        }
        between[y * width + x] = sum;
      }
    }
  }

  #resizeRows(channel: number, gain: number, offset: number): void {
    const { starts, counts, weights, stride } = this.#rows;
    const between = this.#between;
    const row = this.#row;
    const width = this.#width;
    for (let y = 0; y < this.#height; y++) {
      row.fill(offset);
      for (let tap = 0; tap < (counts[y] as number); tap++) {
        const from = ((starts[y] as number) + tap) * width;
        const weight = (weights[y * stride + tap] as number) * gain;
        for (let x = 0; x < width; x++) {
          row[x] = (row[x] as number) + (between[from + x] as number) * weight;
        }
      }
      let to = y * width * 3 + channel;
      for (let x = 0; x < width; x++, to += 3) this.#result[to] = row[x] as number;
    }
  }
}
