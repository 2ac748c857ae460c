/**
 * The trace seam: what a run did when, for people who look for lost time. A tracer is told of spans
 * when they end, in no particular order, and must be quick: the run waits for it.
 */

export interface TraceSpan {
  /**
   * Where it took place. Tracks of `model` and `idle` are devices, whose spans follow one another;
   * spans of a stage's track may overlap.
   */
  readonly track: string;
  /**
   * - `model`: a device ran a network
   * - `idle`: a device had nothing to do between two networks
   * - `stage`: everything else
   */
  readonly kind: "model" | "idle" | "stage";
  readonly name: string;
  /** In milliseconds, as `performance.now()` counts them. */
  readonly startMs: number;
  readonly endMs: number;
  /** What it was done to, such as the chunk and the step. */
  readonly details?: Readonly<Record<string, string | number>>;
}

export interface Tracer {
  record(span: TraceSpan): void;
}
