/** Makes what is found frame by frame last. */

/** Fewer frames in a row than this with a cover, and it is none; as many without, and it is over. */
const MIN_RUN = 3;

/** `values` with gaps filled that last for less than three, from the nearer side. */
export function withoutShortGaps<T>(values: readonly (T | undefined)[]): (T | undefined)[] {
  const filled = [...values];
  for (const { start, end } of runsOf(values, (value) => value === undefined)) {
    const isInside = start > 0 && end < values.length;
    if (!isInside || end - start >= MIN_RUN) continue;
    const middle = (start + end) / 2;
    for (let index = start; index < end; index++) {
      filled[index] = values[index < middle ? start - 1 : end];
    }
  }
  return filled;
}

/** `values` without those that last for less than three in a row, or for all of a shorter list. */
export function withoutShortRuns<T>(values: readonly (T | undefined)[]): (T | undefined)[] {
  const needed = Math.min(MIN_RUN, values.length);
  const kept: (T | undefined)[] = values.map(() => undefined);
  for (const { start, end } of runsOf(values, (value) => value !== undefined)) {
    if (end - start < needed) continue;
    for (let index = start; index < end; index++) kept[index] = values[index];
  }
  return kept;
}

function* runsOf<T>(
  values: readonly T[],
  holds: (value: T) => boolean,
): Generator<{ readonly start: number; readonly end: number }> {
  let start = 0;
  while (start < values.length) {
    let end = start;
    while (end < values.length && holds(values[end] as T)) end++;
    if (end > start) yield { start, end };
    start = Math.max(end, start + 1);
  }
}
