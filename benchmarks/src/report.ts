/** What was measured, on what, and how to do it again. */
import { arch, cpus, platform, release, totalmem } from "node:os";
import { type Measurement, median } from "./measure.ts";

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

export interface BenchmarkReport {
  readonly environment: BenchmarkEnvironment;
  readonly measurements: readonly Measurement[];
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

/** A Markdown table with median, spread, rate and memory, below the lines that say what was measured. */
export function formatReport({ environment, measurements }: BenchmarkReport): string {
  const { cpu, cores, memoryBytes, system, node, versions, runtime, model, command, date } =
    environment;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gibibytes = Math.round(memoryBytes / 1024 ** 3);
  return [
    `${cpu}, ${cores} cores, ${gibibytes} GiB, ${system}; Node ${node}, ${packages.join(", ")}; ${date}`,
    `Model: ${model}. Runtime: ${runtime}. Median of ${measurements[0]?.milliseconds.length ?? 0} runs after a warm-up, in turns.`,
    `Command: \`${command}\``,
    "",
    "| stage | one run | median | fastest - slowest | rate | process memory |",
    "|---|---|---:|---:|---:|---:|",
    ...measurements.map(formatRow),
    "",
  ].join("\n");
}

function formatRow(measurement: Measurement): string {
  const { name, unit, itemsPerRun, milliseconds, peakMemoryBytes } = measurement;
  const middle = median(milliseconds);
  const spread = `${formatMs(Math.min(...milliseconds))} - ${formatMs(Math.max(...milliseconds))}`;
  const rate = `${formatFigure((itemsPerRun * 1000) / middle)} ${unit}/s`;
  const memory = `${Math.round(peakMemoryBytes / 1024 ** 2)} MiB`;
  return `| ${name} | ${itemsPerRun} ${unit} | ${formatMs(middle)} | ${spread} | ${rate} | ${memory} |`;
}

function formatMs(milliseconds: number): string {
  return milliseconds >= 1000
    ? `${(milliseconds / 1000).toFixed(2)} s`
    : `${formatFigure(milliseconds)} ms`;
}

/** Three significant digits. */
function formatFigure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
