/** How much a mouth moves as it does in speech. */

/** Shorter changes are noise of the landmarks, longer ones a smile or a yawn. */
const SHORTEST_SECONDS = 0.12;
const LONGEST_SECONDS = 1;
/** Share of the frames that must tell of the mouth. */
const LEAST_KNOWN = 0.5;

/**
 * Standard deviation of a mouth's opening, of changes that take a tenth of a second to a second.
 * @param openings one per frame, as `Face.mouthOpening`; NaN where it is not known.
 * @returns about 0.01 or less at rest; `undefined` if too few openings are known.
 */
export function mouthMovement(
  openings: readonly number[],
  framesPerSecond: number,
): number | undefined {
  const known = openings.filter((opening) => !Number.isNaN(opening));
  if (known.length < Math.max(2, LEAST_KNOWN * openings.length)) return undefined;
  const short = movingMean(known, (SHORTEST_SECONDS * framesPerSecond) / 2);
  const long = movingMean(known, (LONGEST_SECONDS * framesPerSecond) / 2);
  const squares = short.reduce(
    (sum, value, index) => sum + (value - (long[index] as number)) ** 2,
    0,
  );
  return Math.sqrt(squares / short.length);
}

/** Means over up to `radius` neighbours on each side. */
function movingMean(values: readonly number[], radius: number): number[] {
  const reach = Math.max(1, Math.floor(radius));
  const sums = [0];
  for (const value of values) sums.push((sums.at(-1) as number) + value);
  return values.map((_, index) => {
    const from = Math.max(0, index - reach);
    const to = Math.min(values.length, index + reach + 1);
    return ((sums[to] as number) - (sums[from] as number)) / (to - from);
  });
}
