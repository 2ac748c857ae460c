/** What was measured, on what, and how to do it again. */
import { arch, cpus, platform, release, totalmem } from "node:os";
import type { StageComparison } from "./compare.ts";
import type { Hardware } from "./hardware.ts";
import type { Measurement } from "./measure.ts";
import type { MeasuredPeak } from "./peak.ts";

/** The machine and the software, as a reader needs them to judge a figure. */
export interface BenchmarkEnvironment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** Package name to version. */
  readonly versions: Readonly<Record<string, string>>;
  readonly runtime: string;
  readonly model: string;
  /** The command that prints this report. */
  readonly command: string;
  readonly date: string;
}

/** What a report of stages and a comparison have in common. */
export interface MeasuredOn {
  readonly environment: BenchmarkEnvironment;
  readonly hardware?: Hardware;
  /** What a matrix product reaches on the same runtime, in the same precision. */
  readonly peak?: MeasuredPeak;
  /** Price of the machine, in any currency. */
  readonly costPerHour?: number;
}

export interface BenchmarkReport extends MeasuredOn {
  readonly measurements: readonly Measurement[];
}

export interface ComparisonReport extends MeasuredOn {
  /** What the two sides are. */
  readonly ours: string;
  readonly other: string;
  readonly comparisons: readonly StageComparison[];
}

export function describeEnvironment(
  details: Pick<BenchmarkEnvironment, "versions" | "runtime" | "model" | "command">,
): BenchmarkEnvironment {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    ...details,
  };
}
