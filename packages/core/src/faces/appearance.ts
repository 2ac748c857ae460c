/** What people look like, over frames. */

/** Cosine from which on two faces are surely of one person. */
export const SURE_LIKENESS = 0.65;
/** Cosine below which they are of two. */
export const LEAST_LIKENESS = 0.5;
/** Weight of what was seen before, per sighting: about the last fifty count. */
const KEPT = 0.98;

/** The mean of appearances, as a direction. */
export class MeanAppearance {
  #sum: Float64Array | undefined;

  add(appearance: Float32Array): void {
    const sum = (this.#sum ??= new Float64Array(appearance.length));
    for (let index = 0; index < sum.length; index++) {
      sum[index] = (sum[index] as number) * KEPT + (appearance[index] as number);
    }
  }

  /** Adds what another mean is made of. */
  merge(other: MeanAppearance): void {
    if (other.#sum !== undefined) this.add(Float32Array.from(other.#sum));
  }

  /** Cosine to another appearance, -1 to 1; `undefined` before the first was added. */
  likeness(other: MeanAppearance | Float32Array): number | undefined {
    const mine = this.#sum;
    const theirs = other instanceof MeanAppearance ? other.#sum : other;
    if (mine === undefined || theirs === undefined || mine.length !== theirs.length)
      return undefined;
    return likeness(mine, theirs);
  }
}

/** Cosine of two appearances, -1 to 1. */
export function likeness(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let product = 0;
  let lengths = 0;
  let otherLengths = 0;
  for (let index = 0; index < one.length; index++) {
    const a = one[index] as number;
    const b = other[index] as number;
    product += a * b;
    lengths += a * a;
    otherLengths += b * b;
  }
  return product / Math.sqrt(lengths * otherLengths || 1);
}
