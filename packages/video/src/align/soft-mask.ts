/**
 * The soft mask of the paste: the crop's area in the frame, eroded twice and blurred. After
 * `restore_img` of `latentsync/utils/affine_transform.py` (bytedance/LatentSync a229c39) with
 * kornia 0.8.0's `erosion` and `gaussian_blur2d` and OpenCV 4.9's `erode`. Intended differences:
 * only the patch around the face is computed, with what lies beyond it taken as the whole frame has
 * it (zero inside the frame, nothing past its edges); sums are in double precision.
 */
import type { AffineMatrix, Rectangle } from "@ls/core";
import {
  CropCoverage,
  type CoverageRow,
  type ErosionWindow,
  type FrameEdges,
  frameEdges,
  type Span,
} from "./crop-coverage.ts";
import type { Bounds, CropSize } from "./crop-geometry.ts";

/** The 2 x 2 erosion of kornia: its origin is the lower right pixel. */
const FIRST_EROSION: ErosionWindow = { before: 1, after: 0 };

/** Taps of the blur along y that are added in one pass over a row. */
const TAP_GROUP = 4;

/** One row of the soft mask: outside `support` it is 0, within `solid` both weights are 1 and 0. */
export interface SoftMaskRow {
  readonly support: Span;
  readonly solid: Span;
}

export interface SoftMask {
  readonly rows: readonly SoftMaskRow[];
  /** `[height, width]` weight of the face; set where a row has support but is not solid. */
  readonly face: Float32Array;
  /** `[height, width]` weight of the background there; the two need not add up to 1. */
  readonly background: Float32Array;
  /** Width in pixels of the soft edge. */
  readonly edge: number;
}

function emptySpan(): Span {
  return { start: 0, end: 0 };
}

/** Sum of a coverage over the patch. */
function area(rows: readonly CoverageRow[], at: (x: number, y: number) => number): number {
  let sum = 0;
  for (const [y, { support, solid }] of rows.entries()) {
    sum += Math.max(solid.end - solid.start, 0);
    forEachOutside(support, solid, (x) => {
      sum += at(x, y);
    });
  }
  return sum;
}

/** Calls `visit` for every column of `span` that is not in `hole`. */
function forEachOutside(span: Span, hole: Span, visit: (x: number) => void): void {
  const split = hole.end > hole.start;
  const firstEnd = split ? Math.min(hole.start, span.end) : span.end;
  for (let x = span.start; x < firstEnd; x++) visit(x);
  if (!split) return;
  for (let x = Math.max(hole.end, span.start); x < span.end; x++) visit(x);
}

/** Both erosions as one window; OpenCV takes an empty kernel as 3 x 3. */
function combinedErosion(edge: number): ErosionWindow {
  const second = edge === 0 ? { before: 1, after: 1 } : { before: edge, after: edge - 1 };
  return {
    before: FIRST_EROSION.before + second.before,
    after: FIRST_EROSION.after + second.after,
  };
}

/** The middle and one side of a Gaussian over `2 * edge + 1` pixels, which adds up to 1. */
function gaussian(edge: number): Float64Array {
  const sigma = 0.3 * (edge - 1) + 0.8;
  const weights = Float64Array.from({ length: edge + 1 }, (_, distance) =>
    Math.exp(-(distance * distance) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((total, weight) => total + 2 * weight, -1);
  return weights.map((weight) => weight / sum);
}

/** `gaussian` with zeros at its end, for a whole number of groups of taps. */
function padWeights(weights: Float64Array): Float64Array {
  const padded = new Float64Array(Math.ceil(weights.length / TAP_GROUP) * TAP_GROUP);
  padded.set(weights);
  return padded;
}

/** `index` mirrored into 0 .. `length - 1` without repeating the border. */
function reflect(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const phase = ((index % period) + period) % period;
  return phase < length ? phase : period - phase;
}

/** Blurs the rows of an eroded coverage along x. */
class RowBlur {
  readonly #edge: number;
  readonly #width: number;
  readonly #edges: FrameEdges;
  /** `[2 * edge + 1]`: what a step at distance `m` to the right contributes: taps from `m` on. */
  readonly #tail: Float64Array;
  readonly #eroded: Float64Array;
  readonly #padded: Float64Array;
  readonly #steps: Float64Array;

  constructor(weights: Float64Array, width: number, edges: FrameEdges) {
    this.#edge = weights.length - 1;
    this.#width = width;
    this.#edges = edges;
    this.#tail = new Float64Array(2 * this.#edge + 1);
    let sum = 0;
    for (let tap = 2 * this.#edge; tap >= 0; tap--) {
      sum += weights[Math.abs(tap - this.#edge)] as number;
      this.#tail[tap] = sum;
    }
    this.#eroded = new Float64Array(width);
    this.#padded = new Float64Array(width + 2 * this.#edge);
    this.#steps = new Float64Array(width + 1);
  }

  /** Writes the blurred row to `to` from `at` on and returns where it is not 0 and where it is 1. */
  blur(
    row: CoverageRow,
    valueAt: (x: number) => number,
    to: Float64Array,
    at: number,
  ): CoverageRow {
    const { support, solid } = row;
    if (support.end <= support.start) {
      to.fill(0, at, at + this.#width);
      return { support: emptySpan(), solid: emptySpan() };
    }
    this.#eroded.fill(0);
    this.#eroded.fill(1, solid.start, Math.max(solid.end, solid.start));
    forEachOutside(support, solid, (x) => {
      this.#eroded[x] = valueAt(x);
    });
    this.#pad();
    this.#spreadSteps(support, to, at);
    const blurred = { support: this.#widen(support), solid: this.#shrink(solid) };
    to.fill(1, at + blurred.solid.start, at + blurred.solid.end);
    return blurred;
  }

  #pad(): void {
    const edge = this.#edge;
    const padded = this.#padded;
    padded.fill(0);
    padded.set(this.#eroded, edge);
    for (let index = 0; index < edge; index++) {
      if (this.#edges.left) {
        padded[index] = this.#eroded[reflect(index - edge, this.#width)] as number;
      }
      if (this.#edges.right) {
        const past = this.#width + index;
        padded[edge + past] = this.#eroded[reflect(past, this.#width)] as number;
      }
    }
  }

  /** The blur as a sum over the few places where the padded row changes. */
  #spreadSteps(support: Span, to: Float64Array, at: number): void {
    const padded = this.#padded;
    const tail = this.#tail;
    const width = this.#width;
    const first = this.#edges.left ? 1 : Math.max(support.start + this.#edge, 1);
    const last = this.#edges.right ? padded.length : support.end + this.#edge + 1;
    const steps = this.#steps.fill(0);
    to.fill(0, at, at + width);
    for (let place = first; place < Math.min(last, padded.length); place++) {
      const step = (padded[place] as number) - (padded[place - 1] as number);
      if (step === 0) continue;
      if (place < width) steps[place] = step;
      const end = Math.min(place, width);
      for (let x = Math.max(place - tail.length + 1, 0); x < end; x++) {
        to[at + x] = (to[at + x] as number) + step * (tail[place - x] as number);
      }
    }
    let level = padded[0] as number;
    for (let x = 0; x < width; x++) {
      level += steps[x] as number;
      to[at + x] = Math.max((to[at + x] as number) + level, 0);
    }
  }

  #widen({ start, end }: Span): Span {
    return {
      start: Math.max(start - this.#edge, 0),
      end: Math.min(end + this.#edge, this.#width),
    };
  }

  #shrink({ start, end }: Span): Span {
    if (end <= start) return emptySpan();
    const inner = {
      start: start === 0 && this.#edges.left ? 0 : start + this.#edge,
      end: end === this.#width && this.#edges.right ? this.#width : end - this.#edge,
    };
    return inner.end <= inner.start ? emptySpan() : inner;
  }
}

/**
 * `[height + 2 * edge]`: rows that the blur along y reads, `edge` before the first to `edge` past
 * the last; `height` stands for a row of zeros.
 */
function readRows(height: number, edge: number, edges: FrameEdges): Int32Array {
  return Int32Array.from({ length: height + 2 * edge }, (_, index) => {
    const row = index - edge;
    if ((row < 0 && !edges.top) || (row >= height && !edges.bottom)) return height;
    return reflect(row, height);
  });
}

function joinRows(window: Int32Array, rows: readonly CoverageRow[]): SoftMaskRow {
  const support = { start: Number.POSITIVE_INFINITY, end: 0 };
  const solid = { start: 0, end: Number.POSITIVE_INFINITY };
  for (const index of window) {
    const row = rows[index];
    const rowSolid = row?.solid ?? emptySpan();
    solid.start = Math.max(solid.start, rowSolid.start);
    solid.end = Math.min(solid.end, rowSolid.end);
    if (row === undefined || row.support.end <= row.support.start) continue;
    support.start = Math.min(support.start, row.support.start);
    support.end = Math.max(support.end, row.support.end);
  }
  return {
    support: support.end <= support.start ? emptySpan() : support,
    solid: solid.end <= solid.start ? emptySpan() : solid,
  };
}

/** One row of the blur along y. */
interface ColumnBlur {
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly edge: number;
  readonly read: Int32Array;
  readonly taps: Float64Array;
}

/** Calls `visit` for the stretches of a row's support that are not solid. */
function forEachPart(
  { support, solid }: SoftMaskRow,
  visit: (start: number, end: number) => void,
): void {
  if (support.end <= support.start) return;
  if (solid.end <= solid.start) {
    visit(support.start, support.end);
    return;
  }
  if (support.start < solid.start) visit(support.start, solid.start);
  if (solid.end < support.end) visit(solid.end, support.end);
}

/** Computes soft masks; keeps its buffers, so that a mask is valid until the next `build`. */
export class SoftMaskBuilder {
  /** `[height + 1, width]`; the last row is zero. */
  #blurred: Float64Array = new Float64Array(0);
  #face: Float32Array = new Float32Array(0);
  #background: Float32Array = new Float32Array(0);
  #sums: Float64Array = new Float64Array(0);

  /**
   * The soft mask over `patch`.
   * @param matrix from the frame to the crop
   * @param bounds the pixels that the crop touches, not clipped: they tell which edges are the frame's
   */
  build(patch: Rectangle, matrix: AffineMatrix, crop: CropSize, bounds: Bounds): SoftMask {
    const { width, height } = patch;
    const edges = frameEdges(patch, bounds);
    const coverage = new CropCoverage({
      matrix: shiftOrigin(matrix, patch),
      crop,
      width,
      height,
      edges,
    });
    const eroded = Array.from({ length: height }, (_, y) => coverage.erodedRow(y, FIRST_EROSION));
    const total = area(eroded, (x, y) => coverage.erodedAt(x, y, FIRST_EROSION));
    const edge = Math.floor(Math.floor(Math.sqrt(total)) / 20);
    this.#reserve(width, height);
    const weights = gaussian(edge);
    const blurred = this.#blurRows(coverage, weights, patch, edges);
    const read = readRows(height, edge, edges);
    const taps = padWeights(weights);
    const rows = Array.from({ length: height }, (_, y) => {
      const row = joinRows(read.subarray(y, y + 2 * edge + 1), blurred);
      const columns = { y, width, height, edge, read, taps };
      forEachPart(row, (start, end) => {
        this.#blurColumns(columns, start, end);
      });
      this.#weigh(y, width, row, eroded[y] as CoverageRow, coverage);
      return row;
    });
    return { rows, face: this.#face, background: this.#background, edge };
  }

  #reserve(width: number, height: number): void {
    if (this.#sums.length < width) this.#sums = new Float64Array(width);
    const size = width * height;
    if (this.#face.length < size) {
      this.#face = new Float32Array(size);
      this.#background = new Float32Array(size);
    }
    if (this.#blurred.length < size + width) this.#blurred = new Float64Array(size + width);
    this.#blurred.fill(0, size, size + width);
  }

  #blurRows(
    coverage: CropCoverage,
    weights: Float64Array,
    patch: Rectangle,
    edges: FrameEdges,
  ): CoverageRow[] {
    const { width, height } = patch;
    const window = combinedErosion(weights.length - 1);
    const blur = new RowBlur(weights, width, edges);
    return Array.from({ length: height }, (_, y) =>
      blur.blur(
        coverage.erodedRow(y, window),
        (x) => coverage.erodedAt(x, y, window),
        this.#blurred,
        y * width,
      ),
    );
  }

  /** Blurs along y from column `start` to `end`. */
  #blurColumns(
    { y, width, height, edge, read, taps }: ColumnBlur,
    start: number,
    end: number,
  ): void {
    const sums = this.#sums;
    const blurred = this.#blurred;
    const middle = y + edge;
    /** Offset of the row `distance` away; the middle is added twice with half its weight. */
    const row = (distance: number): number =>
      (Math.abs(distance) > edge ? height : (read[middle + distance] as number)) * width;
    sums.fill(0, start, end);
    for (let tap = 0; tap < taps.length; tap += TAP_GROUP) {
      const [up0, up1, up2, up3] = [row(-tap), row(-tap - 1), row(-tap - 2), row(-tap - 3)];
      const [down0, down1, down2, down3] = [row(tap), row(tap + 1), row(tap + 2), row(tap + 3)];
      const weight0 = (taps[tap] as number) * (tap === 0 ? 0.5 : 1);
      const weight1 = taps[tap + 1] as number;
      const weight2 = taps[tap + 2] as number;
      const weight3 = taps[tap + 3] as number;
      for (let x = start; x < end; x++) {
        sums[x] =
          (sums[x] as number) +
          weight0 * ((blurred[up0 + x] as number) + (blurred[down0 + x] as number)) +
          weight1 * ((blurred[up1 + x] as number) + (blurred[down1 + x] as number)) +
          weight2 * ((blurred[up2 + x] as number) + (blurred[down2 + x] as number)) +
          weight3 * ((blurred[up3 + x] as number) + (blurred[down3 + x] as number));
      }
    }
    const at = y * width;
    for (let x = start; x < end; x++) this.#face[at + x] = sums[x] as number;
  }

  /** Turns the soft mask into the two weights: the face itself fades where the erosion cuts it. */
  #weigh(
    y: number,
    width: number,
    row: SoftMaskRow,
    eroded: CoverageRow,
    coverage: CropCoverage,
  ): void {
    const at = y * width;
    forEachOutside(row.support, row.solid, (x) => {
      const soft = Math.min(this.#face[at + x] as number, 1);
      this.#background[at + x] = 1 - soft;
      const whole = x >= eroded.solid.start && x < eroded.solid.end;
      if (!whole) this.#face[at + x] = soft * coverage.erodedAt(x, y, FIRST_EROSION);
    });
  }
}

/** `matrix` for coordinates counted from the patch's corner. */
export function shiftOrigin(matrix: AffineMatrix, patch: Rectangle): AffineMatrix {
  const [a, b, tx, c, d, ty] = matrix;
  return [a, b, a * patch.x + b * patch.y + tx, c, d, c * patch.x + d * patch.y + ty];
}
