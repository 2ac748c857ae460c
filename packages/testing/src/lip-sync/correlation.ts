/** How alike two signals over video frames are. Frames where either is missing are left out. */

/** One value per frame; `undefined` where there was nothing to measure. */
export type Signal = ArrayLike<number | undefined>;

/** A correlation at a shift between two signals. */
export interface LagCorrelation {
  /** Frames that the measured signal comes after the truth: positive is late. */
  readonly lagFrames: number;
  /** -1 to 1; `undefined` where it is not defined. */
  readonly correlation: number | undefined;
  /** Frames that were compared. */
  readonly frames: number;
}

/** Fewer frames than this say nothing. */
const FEWEST_FRAMES = 3;
/** Of the shorter signal: a shift must leave at least three quarters to compare. */
const LARGEST_SHIFT = 1 / 4;
/** Variance, relative to the square of the mean, that is rounding and not movement. */
const SMALLEST_VARIANCE = 1e-20;

/**
 * Pearson's correlation of two signals over the frames that both have, in two passes. It is
 * `undefined` for fewer than three such frames, and where either signal does not move.
 */
export function pearson(a: Signal, b: Signal): number | undefined {
  return lagCorrelation(a, b, 0).correlation;
}

/** Pearson's correlation of `measured[frame + lagFrames]` with `truth[frame]`. */
export function lagCorrelation(measured: Signal, truth: Signal, lagFrames: number): LagCorrelation {
  const xs: number[] = [];
  const ys: number[] = [];
  const end = Math.min(truth.length, measured.length - lagFrames);
  for (let frame = Math.max(0, -lagFrames); frame < end; frame++) {
    const x = measured[frame + lagFrames];
    const y = truth[frame];
    if (x === undefined || y === undefined) continue;
    xs.push(x);
    ys.push(y);
  }
  return { lagFrames, correlation: correlate(xs, ys), frames: xs.length };
}

function correlate(xs: readonly number[], ys: readonly number[]): number | undefined {
  if (xs.length < FEWEST_FRAMES) return undefined;
  const meanX = mean(xs);
  const meanY = mean(ys);
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (const [index, x] of xs.entries()) {
    const dx = x - meanX;
    const dy = (ys[index] as number) - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  const moves = (squares: number, average: number): boolean =>
    squares > SMALLEST_VARIANCE * xs.length * average * average;
  if (!moves(xx, meanX) || !moves(yy, meanY)) return undefined;
  return Math.min(1, Math.max(-1, xy / Math.sqrt(xx * yy)));
}

/** Standard deviation over the frames that there are; `undefined` if there are none. */
export function standardDeviation(signal: Signal): number | undefined {
  const values = Array.from(signal).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  const average = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - average) ** 2)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The correlation at every shift from `-maxLagFrames` to `maxLagFrames`, in order. Shifts that would
 * leave less than three quarters of the shorter signal are not tried: short overlaps agree by chance.
 */
export function lagCorrelations(
  measured: Signal,
  truth: Signal,
  maxLagFrames: number,
): LagCorrelation[] {
  const shortest = Math.min(measured.length, truth.length);
  const limit = Math.min(maxLagFrames, Math.floor(shortest * LARGEST_SHIFT));
  return Array.from({ length: 2 * limit + 1 }, (_, index) =>
    lagCorrelation(measured, truth, index - limit),
  );
}

/** The entry with the highest correlation; of equal ones the smallest shift. */
export function bestLag(lags: readonly LagCorrelation[]): LagCorrelation | undefined {
  return lags
    .filter(({ correlation }) => correlation !== undefined)
    .toSorted((a, b) => Math.abs(a.lagFrames) - Math.abs(b.lagFrames))
    .reduce<LagCorrelation | undefined>(
      (best, lag) =>
        best === undefined || (lag.correlation as number) > (best.correlation as number)
          ? lag
          : best,
      undefined,
    );
}
