/** Whether the borders of chunks, which are denoised apart from each other, can be seen. */

/** Changes on both sides of a border that it is compared with. */
const REACH = 3;

/** Changes from frame to frame, in the unit that was given. */
export interface BorderFlicker {
  /** Mean across the borders of chunks. */
  readonly border: number;
  /** Mean of the changes next to borders, three on each side. */
  readonly beside: number;
  /** `border / beside`: 1 if borders are like any other place. */
  readonly ratio: number;
  readonly borders: number;
}

/**
 * Compares the changes across borders with those beside them, where the speech is about the same.
 * @param changes from frame `i` to `i + 1`, see {@link regionChange}.
 * @returns `undefined` without a border.
 */
export function borderFlicker(
  changes: readonly number[],
  framesPerChunk: number,
): BorderFlicker | undefined {
  const across: number[] = [];
  const beside: number[] = [];
  for (const [index, change] of changes.entries()) {
    const place = (index + 1) % framesPerChunk;
    const isFirst = index + 1 < framesPerChunk - REACH;
    if (place === 0) across.push(change);
    else if (!isFirst && (place <= REACH || place >= framesPerChunk - REACH)) beside.push(change);
  }
  if (across.length === 0 || beside.length === 0) return undefined;
  const border = mean(across);
  return {
    border,
    beside: mean(beside),
    ratio: border / mean(beside),
    borders: across.length,
  };
}

/**
 * Mean absolute difference of two faces in the generated region, 0 to 255.
 * @param first `[3, R, R]` uint8
 * @param second `[3, R, R]` uint8
 * @param mask `[R, R]` float32: 1 = keep, 0 = generate.
 */
export function regionChange(first: Uint8Array, second: Uint8Array, mask: Float32Array): number {
  let sum = 0;
  let values = 0;
  for (let index = 0; index < first.length; index++) {
    if ((mask[index % mask.length] as number) >= 0.5) continue;
    sum += Math.abs((first[index] as number) - (second[index] as number));
    values++;
  }
  return values === 0 ? 0 : sum / values;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
