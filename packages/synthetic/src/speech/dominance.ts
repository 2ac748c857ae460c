/** A stretch of time that pulls a track towards its target. */
export interface Span {
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** Beyond this many time constants a span is not felt any more: under 0.0001. */
const REACH = 10;

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * Coarticulation by dominance, after M. M. Cohen and D. W. Massaro, "Modeling coarticulation in
 * synthetic visual speech" (1993): each sound's influence falls off exponentially before and after
 * it, and a track is the mean of all targets weighted by influence times the sound's own hold. The
 * fall-off here is logistic at the sound's edges, which has the same tails but no corner at its
 * centre; the influences of touching spans add up to 1.
 */
export class Dominance<T extends Span> {
  readonly #spans: readonly T[];
  readonly #timeConstantSeconds: number;

  /** @param spans in order, without gaps */
  constructor(spans: readonly T[], timeConstantSeconds: number) {
    this.#spans = spans;
    this.#timeConstantSeconds = timeConstantSeconds;
  }

  /** Calls back for each span that is felt at that time, with its influence from 0 to 1. */
  forEachFelt(seconds: number, callback: (span: T, influence: number) => void): void {
    const timeConstant = this.#timeConstantSeconds;
    const last = this.#spans.length - 1;
    const first = this.#firstEndingAfter(seconds - REACH * timeConstant);
    // What is before the first span and after the last one goes on as these.
    let before = first === 0 ? 1 : this.#edge(first, seconds);
    for (let index = first; index <= last; index++) {
      const span = this.#spans[index] as T;
      if (span.startSeconds > seconds + REACH * timeConstant && index > first) break;
      const after = index === last ? 0 : logistic((seconds - span.endSeconds) / timeConstant);
      callback(span, before - after);
      before = after;
    }
  }

  #edge(index: number, seconds: number): number {
    return logistic((seconds - (this.#spans[index] as T).startSeconds) / this.#timeConstantSeconds);
  }

  #firstEndingAfter(seconds: number): number {
    let low = 0;
    let high = this.#spans.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#spans[middle] as T).endSeconds > seconds) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
