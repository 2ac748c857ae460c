import type { Instruments } from "./instruments.ts";
/** Two settings against each other, in turns: what a busy machine does to one, it does to the other. */
import { type BenchmarkFactory, measure, type Measurement, median } from "./measure.ts";

/** One stage at two settings. */
export interface PairToCompare {
  readonly stage: string;
  readonly ours: BenchmarkFactory;
  readonly other: BenchmarkFactory;
}

/** How far two results are from each other. */
export interface OutputDifference {
  /** `|a - b| / |b|`, Euclidean. */
  readonly relativeError: number;
  readonly cosine: number;
}

export interface Ratio {
  /** Median over the rounds of the other setting's time divided by ours: over 1, ours is faster. */
  readonly median: number;
  /** In 95 of 100 resamplings of the rounds, the median is between these. */
  readonly interval: readonly [low: number, high: number];
}

export interface StageComparison {
  readonly stage: string;
  readonly ours: Measurement;
  readonly other: Measurement;
  readonly ratio: Ratio;
  /** The same of processor time, which other processes do not enter. */
  readonly cpuRatio: Ratio;
  /** Where both gave numbers of the same count. */
  readonly difference?: OutputDifference;
}

export interface ComparePairsOptions {
  readonly pairs: readonly PairToCompare[];
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly instruments?: Instruments | undefined;
  readonly onRun?: (name: string, round: number, milliseconds: number) => void;
  readonly onComparison?: (comparison: StageComparison) => void;
}

/**
 * Compares stage after stage. Of each, both settings are open together; they take turns, and the one
 * that begins changes from round to round.
 * @throws what a benchmark throws; the signal's reason.
 */
export async function comparePairs(options: ComparePairsOptions): Promise<StageComparison[]> {
  const { rounds, signal, instruments, onRun, onComparison } = options;
  const comparisons: StageComparison[] = [];
  for (const { stage, ours, other } of options.pairs) {
    const outputs: Float32Array[] = [];
    const [first, second] = (await measure({
      ...{ rounds, signal, instruments, alternate: true },
      benchmarks: [ours, other],
      ...(onRun === undefined ? {} : { onRun }),
      onOutput: (index, output) => {
        outputs[index] = output;
      },
    })) as [Measurement, Measurement];
    const difference = compareOutputs(outputs[0], outputs[1]);
    const comparison: StageComparison = {
      stage,
      ours: first,
      other: second,
      ratio: ratioOf(second.milliseconds, first.milliseconds),
      cpuRatio: ratioOf(second.cpuMilliseconds, first.cpuMilliseconds),
      ...(difference === undefined ? {} : { difference }),
    };
    comparisons.push(comparison);
    onComparison?.(comparison);
  }
  return comparisons;
}

/** @returns undefined if there is nothing to compare. */
export function compareOutputs(
  ours: Float32Array | undefined,
  other: Float32Array | undefined,
): OutputDifference | undefined {
  if (ours === undefined || other === undefined || ours.length !== other.length) return undefined;
  let [error, product, normOurs, normOther] = [0, 0, 0, 0];
  for (let index = 0; index < ours.length; index++) {
    const [a, b] = [ours[index] as number, other[index] as number];
    error += (a - b) ** 2;
    product += a * b;
    normOurs += a * a;
    normOther += b * b;
  }
  return {
    relativeError: Math.sqrt(error / normOther),
    cosine: product / Math.sqrt(normOurs * normOther),
  };
}

const RESAMPLINGS = 2000;
const [LOW, HIGH] = [0.025, 0.975];

/** The median of per-round ratios, with its interval from resampling the rounds. */
export function ratioOf(numerators: readonly number[], denominators: readonly number[]): Ratio {
  const ratios = numerators.map((value, round) => value / (denominators[round] as number));
  const random = irregular();
  const medians = Float64Array.from({ length: RESAMPLINGS }, () =>
    median(ratios.map(() => ratios[Math.floor(random() * ratios.length)] as number)),
  ).toSorted();
  const at = (share: number): number => medians[Math.floor(share * RESAMPLINGS)] as number;
  return { median: median(ratios), interval: [at(LOW), at(HIGH)] };
}

/** Numbers in [0, 1), the same for every call: a report can be computed again. Mulberry32. */
function irregular(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
