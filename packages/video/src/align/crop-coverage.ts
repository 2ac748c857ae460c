/**
 * How much of each frame pixel the crop covers: the crop's rectangle of ones, warped bilinearly
 * into the frame, and its erosion by square windows.
 *
 * The coverage is a product of two concave functions of the position, hence log-concave, and so is
 * every erosion of it by a rectangle: its least value over a window lies in one of the window's four
 * corners, and the set where it is 1 is convex. Both make exact erosion a matter of four look-ups.
 */
import type { AffineMatrix, Rectangle } from "@ls/core";
import type { Bounds, CropSize } from "./crop-geometry.ts";

/** Columns from `start` up to, not including, `end`; empty where `end <= start`. */
export interface Span {
  start: number;
  end: number;
}

/** One row of an eroded coverage. Outside `support` it is 0, within `solid` 1. */
export interface CoverageRow {
  readonly support: Span;
  readonly solid: Span;
}

/** Which of a patch's edges are the frame's: beyond them there is nothing, not zero. */
export interface FrameEdges {
  readonly left: boolean;
  readonly top: boolean;
  readonly right: boolean;
  readonly bottom: boolean;
}

/** A window that reaches `before` pixels left and up and `after` pixels right and down. */
export interface ErosionWindow {
  readonly before: number;
  readonly after: number;
}

/** The edges where `patch` was clipped from its unclipped `bounds`. */
export function frameEdges(patch: Rectangle, bounds: Bounds): FrameEdges {
  return {
    left: patch.x > bounds.left,
    top: patch.y > bounds.top,
    right: patch.x + patch.width < bounds.right,
    bottom: patch.y + patch.height < bounds.bottom,
  };
}

/** Bilinear weight of a row of ones at 0 .. `last` at `position`, zeros around it. */
function tent(position: number, last: number): number {
  if (position >= 0 && position <= last) return 1;
  const covered = position < 0 ? 1 + position : 1 + last - position;
  return covered > 0 ? covered : 0;
}

/** Narrows `span` to the whole x with `low <= slope * x + offset <= high`, rounded outwards. */
function narrow(span: Span, slope: number, offset: number, low: number, high: number): void {
  if (Math.abs(slope) < 1e-12) {
    if (offset < low || offset > high) span.end = span.start;
    return;
  }
  const first = (low - offset) / slope;
  const second = (high - offset) / slope;
  span.start = Math.max(span.start, Math.ceil(Math.min(first, second) - 1e-9));
  span.end = Math.min(span.end, Math.floor(Math.max(first, second) + 1e-9) + 1);
}

export class CropCoverage {
  readonly #matrix: AffineMatrix;
  readonly #crop: CropSize;
  readonly #width: number;
  readonly #height: number;
  readonly #edges: FrameEdges;

  /** @param matrix from the patch's pixels to the crop's */
  constructor(options: {
    readonly matrix: AffineMatrix;
    readonly crop: CropSize;
    readonly width: number;
    readonly height: number;
    readonly edges: FrameEdges;
  }) {
    this.#matrix = options.matrix;
    this.#crop = options.crop;
    this.#width = options.width;
    this.#height = options.height;
    this.#edges = options.edges;
  }

  /** Coverage of a pixel of the patch, 0 to 1. */
  #at(x: number, y: number): number {
    const matrix = this.#matrix;
    return (
      tent(matrix[0] * x + matrix[1] * y + matrix[2], this.#crop.width - 1) *
      tent(matrix[3] * x + matrix[4] * y + matrix[5], this.#crop.height - 1)
    );
  }

  /** The row `y`, or the frame's edge row beyond it; undefined where all is zero. */
  #row(y: number): number | undefined {
    if (y < 0) return this.#edges.top ? 0 : undefined;
    if (y >= this.#height) return this.#edges.bottom ? this.#height - 1 : undefined;
    return y;
  }

  #narrow(span: Span, y: number, margin: number): void {
    const [a, b, tx, c, d, ty] = this.#matrix;
    narrow(span, a, b * y + tx, -margin, this.#crop.width - 1 + margin);
    narrow(span, c, d * y + ty, -margin, this.#crop.height - 1 + margin);
  }

  /** Where the erosion by `window` is above 0 (margin 1) or exactly 1 (margin 0) in rows `rows`. */
  #span(rows: readonly number[], margin: number, window: ErosionWindow): Span {
    const span = { start: 0, end: this.#width };
    for (const row of rows) this.#narrow(span, row, margin);
    if (span.end <= span.start) return { start: 0, end: 0 };
    if (!(span.start === 0 && this.#edges.left)) span.start += window.before;
    if (!(span.end === this.#width && this.#edges.right)) span.end -= window.after;
    return span.end <= span.start ? { start: 0, end: 0 } : span;
  }

  /** The eroded coverage of row `y`. */
  erodedRow(y: number, window: ErosionWindow): CoverageRow {
    const top = this.#row(y - window.before);
    const bottom = this.#row(y + window.after);
    if (top === undefined || bottom === undefined) {
      return { support: { start: 0, end: 0 }, solid: { start: 0, end: 0 } };
    }
    const rows = top === bottom ? [top] : [top, bottom];
    return { support: this.#span(rows, 1, window), solid: this.#span(rows, 0, window) };
  }

  /** The eroded coverage of one pixel. */
  erodedAt(x: number, y: number, window: ErosionWindow): number {
    const top = this.#row(y - window.before);
    const bottom = this.#row(y + window.after);
    if (top === undefined || bottom === undefined) return 0;
    const left = Math.max(x - window.before, 0);
    const right = Math.min(x + window.after, this.#width - 1);
    return Math.min(
      this.#at(left, top),
      this.#at(right, top),
      this.#at(left, bottom),
      this.#at(right, bottom),
    );
  }
}
