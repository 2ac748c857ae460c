/** Runs benchmarks in turns, so that a slow minute of the machine hits them all alike. */
import { Resources } from "@ls/core";
import type { DeviceFigures, Instruments } from "./instruments.ts";
import { timed } from "./timed.ts";

/** A piece of work that can be repeated. */
export interface Benchmark extends AsyncDisposable {
  readonly name: string;
  /** What one run handles: `itemsPerRun` of these. */
  readonly unit: string;
  readonly itemsPerRun: number;
  /** Seconds of video that one run makes, if it makes video. */
  readonly videoSeconds?: number;
  /** How often a run's time counts, where a run does a part of what is told: said in its name. */
  readonly scale?: number;
  run(): Promise<unknown>;
  /** Numbers that the last run gave: the same for settings that compute the same. */
  output?(): Float32Array | undefined;
  /** Multiply-adds of networks since the last call; `undefined` if they are not known. */
  takeMultiplyAdds?(): number | undefined;
  /**
   * Times of the last run where another process did the work, in place of this one's; processor time
   * is NaN where it cannot be told.
   */
  ownTimes?(): { readonly milliseconds: number; readonly cpuMilliseconds: number };
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
  readonly videoSeconds?: number;
  /** Milliseconds of every run after the warm-up. */
  readonly milliseconds: readonly number[];
  /** Processor time of every run, of all threads together. */
  readonly cpuMilliseconds: readonly number[];
  /**
   * Resident memory of this process at most, while this benchmark ran, in bytes; nothing where
   * another process did the work.
   */
  readonly peakMemoryBytes?: number;
  /** Multiply-adds of networks in one run, if they are known; one is two floating-point operations. */
  readonly multiplyAdds?: number;
  /** What the device says of the measured runs, if it says anything. */
  readonly device?: DeviceFigures;
}

export interface MeasureOptions {
  readonly benchmarks: readonly BenchmarkFactory[];
  /** Measured runs of each. */
  readonly rounds: number;
  /** Whether every other round goes through them backwards. Default false. */
  readonly alternate?: boolean;
  readonly instruments?: Instruments | undefined;
  readonly signal: AbortSignal;
  /** Called after each measured run; `round` counts from 0. */
  readonly onRun?: (name: string, round: number, milliseconds: number) => void;
  /** Called with what each benchmark gives in its warm-up run, if it gives numbers. */
  readonly onOutput?: (index: number, output: Float32Array) => void;
}

const WARM_UP = -1;

interface OpenBenchmark {
  readonly benchmark: Benchmark;
  readonly milliseconds: number[];
  readonly cpuMilliseconds: number[];
  readonly device: DeviceFigures[];
  peakMemoryBytes: number;
  multiplyAdds: number | undefined;
}

/**
 * One warm-up run of each benchmark, then `rounds` rounds in which each runs once. All of them are
 * disposed at the end, also on failure.
 * @throws what a benchmark throws; the signal's reason, between two runs.
 */
export async function measure(options: MeasureOptions): Promise<Measurement[]> {
  const { rounds, signal, onRun, onOutput, alternate = false } = options;
  await using resources = new Resources();
  const open: OpenBenchmark[] = [];
  for (const factory of options.benchmarks) {
    signal.throwIfAborted();
    const benchmark = resources.use(await factory.create(signal));
    const figures = { milliseconds: [], cpuMilliseconds: [], device: [] };
    open.push({ benchmark, ...figures, peakMemoryBytes: 0, multiplyAdds: undefined });
  }
  for (let round = WARM_UP; round < rounds; round++) {
    const order = alternate && round % 2 === 1 ? open.toReversed() : open;
    for (const entry of order) {
      signal.throwIfAborted();
      if (round === WARM_UP) {
        await entry.benchmark.run();
        entry.benchmark.takeMultiplyAdds?.();
        const output = entry.benchmark.output?.();
        if (output !== undefined) onOutput?.(open.indexOf(entry), output);
        continue;
      }
      const milliseconds = await measureRun(entry, options.instruments);
      onRun?.(entry.benchmark.name, round, milliseconds);
    }
  }
  return open.map(summarize);
}

async function measureRun(
  entry: OpenBenchmark,
  instruments: Instruments | undefined,
): Promise<number> {
  const { benchmark } = entry;
  const reading = await instruments?.start();
  const taken = await timed(() => benchmark.run());
  const device = await reading?.stop();
  const { milliseconds, cpuMilliseconds } = benchmark.ownTimes?.() ?? taken;
  const scale = benchmark.scale ?? 1;
  entry.milliseconds.push(scale * milliseconds);
  entry.cpuMilliseconds.push(scale * cpuMilliseconds);
  if (device !== undefined) entry.device.push(device);
  entry.peakMemoryBytes = Math.max(entry.peakMemoryBytes, taken.peakMemoryBytes);
  entry.multiplyAdds = benchmark.takeMultiplyAdds?.();
  return scale * milliseconds;
}

function summarize(entry: OpenBenchmark): Measurement {
  const { benchmark, milliseconds, cpuMilliseconds, peakMemoryBytes, multiplyAdds } = entry;
  const { name, unit, itemsPerRun, videoSeconds, scale = 1 } = benchmark;
  const device = joinFigures(entry.device);
  return {
    ...{ name, unit, itemsPerRun, milliseconds, cpuMilliseconds },
    ...(benchmark.ownTimes === undefined ? { peakMemoryBytes } : {}),
    ...(videoSeconds === undefined ? {} : { videoSeconds }),
    // Stages without networks have none to tell.
    ...(multiplyAdds === undefined || multiplyAdds === 0
      ? {}
      : { multiplyAdds: scale * multiplyAdds }),
    ...(device === undefined ? {} : { device }),
  };
}

function joinFigures(runs: readonly DeviceFigures[]): DeviceFigures | undefined {
  const energies = runs.flatMap(({ joules }) => (joules === undefined ? [] : [joules]));
  const memories = runs.flatMap(({ peakMemoryBytes: peak }) => (peak === undefined ? [] : [peak]));
  if (energies.length === 0 && memories.length === 0) return undefined;
  return {
    ...(energies.length === 0 ? {} : { joules: median(energies) }),
    ...(memories.length === 0 ? {} : { peakMemoryBytes: Math.max(...memories) }),
  };
}

/** The middle value; the mean of the two middle ones of an even count; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper;
}
