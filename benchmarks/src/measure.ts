/** Runs benchmarks in turns, so that a slow minute of the machine hits them all alike. */

import { Resources } from "@ls/core";

/** A piece of work that can be repeated. */
export interface Benchmark extends AsyncDisposable {
  readonly name: string;
  /** What one run handles: `itemsPerRun` of these. */
  readonly unit: string;
  readonly itemsPerRun: number;
  run(): Promise<unknown>;
}

/** Opens what a benchmark needs; not part of its time. */
export interface BenchmarkFactory {
  readonly name: string;
  create(signal: AbortSignal): Promise<Benchmark>;
}

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  readonly itemsPerRun: number;
  /** Milliseconds of every run after the warm-up. */
  readonly milliseconds: readonly number[];
  /** Resident memory of the process at most, while this benchmark ran, in bytes. */
  readonly peakMemoryBytes: number;
}

export interface MeasureOptions {
  readonly benchmarks: readonly BenchmarkFactory[];
  /** Measured runs of each. */
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** Called after each measured run; `round` counts from 0. */
  readonly onRun?: (name: string, round: number, milliseconds: number) => void;
}

export interface Timed<T> {
  readonly result: T;
  readonly milliseconds: number;
  readonly peakMemoryBytes: number;
}

const MEMORY_SAMPLE_MS = 20;
const WARM_UP = -1;

/**
 * One warm-up run of each benchmark, then `rounds` rounds in which each runs once. All of them are
 * disposed at the end, also on failure.
 * @throws what a benchmark throws; the signal's reason, between two runs.
 */
export async function measure(options: MeasureOptions): Promise<Measurement[]> {
  const { rounds, signal, onRun } = options;
  await using resources = new Resources();
  const open: { benchmark: Benchmark; milliseconds: number[]; peakMemoryBytes: number }[] = [];
  for (const factory of options.benchmarks) {
    signal.throwIfAborted();
    const benchmark = resources.use(await factory.create(signal));
    open.push({ benchmark, milliseconds: [], peakMemoryBytes: 0 });
  }
  for (let round = WARM_UP; round < rounds; round++) {
    for (const entry of open) {
      signal.throwIfAborted();
      const { milliseconds, peakMemoryBytes } = await timed(() => entry.benchmark.run());
      if (round === WARM_UP) continue;
      entry.milliseconds.push(milliseconds);
      entry.peakMemoryBytes = Math.max(entry.peakMemoryBytes, peakMemoryBytes);
      onRun?.(entry.benchmark.name, round, milliseconds);
    }
  }
  return open.map(({ benchmark, milliseconds, peakMemoryBytes }) => ({
    name: benchmark.name,
    unit: benchmark.unit,
    itemsPerRun: benchmark.itemsPerRun,
    milliseconds,
    peakMemoryBytes,
  }));
}

/** How long `work` takes, and the process's resident memory at most meanwhile. */
export async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  let peakMemoryBytes = process.memoryUsage.rss();
  const sampler = setInterval(() => {
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
  }, MEMORY_SAMPLE_MS);
  try {
    const start = performance.now();
    const result = await work();
    const milliseconds = performance.now() - start;
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
    return { result, milliseconds, peakMemoryBytes };
  } finally {
    clearInterval(sampler);
  }
}

/** The middle value; the mean of the two middle ones of an even count; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper;
}
