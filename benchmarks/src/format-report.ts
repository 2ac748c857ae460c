/** Reports as Markdown. A column is there if some stage has a figure for it. */
import type { OutputDifference, Ratio, StageComparison } from "./compare.ts";
import type { GpuDescription } from "./hardware.ts";
import { type Measurement, median } from "./measure.ts";
import type { BenchmarkReport, ComparisonReport, MeasuredOn } from "./report.ts";

const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;

interface Column {
  readonly title: string;
  readonly isNumber: boolean;
  /** `undefined` where the stage has no such figure. */
  readonly cell: (measurement: Measurement) => string | undefined;
}

/** A table with median, spread, rate and memory, below the lines that say what was measured. */
export function formatReport(report: BenchmarkReport): string {
  const { measurements } = report;
  const columns = columnsOf(report).filter(({ cell }) =>
    measurements.some((one) => cell(one) !== undefined),
  );
  const runs = measurements[0]?.milliseconds.length ?? 0;
  return [
    ...describe(report, `Median of ${runs} runs after a warm-up, in turns.`),
    "",
    `| ${columns.map(({ title }) => title).join(" | ")} |`,
    `|${columns.map(({ isNumber }) => (isNumber ? "---:" : "---")).join("|")}|`,
    ...measurements.map(
      (measurement) => `| ${columns.map(({ cell }) => cell(measurement) ?? "").join(" | ")} |`,
    ),
    "",
  ].join("\n");
}

function columnsOf({ hardware, peak, costPerHour }: MeasuredOn): Column[] {
  const text = (title: string, cell: Column["cell"]): Column => ({ title, isNumber: false, cell });
  const number = (title: string, cell: Column["cell"]): Column => ({ title, isNumber: true, cell });
  const stated = hardware?.gpus[0]?.statedFlopsPerSecond;
  return [
    text("stage", ({ name }) => name),
    text("one run", ({ itemsPerRun, unit }) => `${itemsPerRun} ${unit}`),
    number("median", ({ milliseconds }) => formatMs(median(milliseconds))),
    number("fastest - slowest", ({ milliseconds }) => formatSpread(milliseconds)),
    number("rate", formatRate),
    number("GFLOP", ({ multiplyAdds }) =>
      multiplyAdds === undefined ? undefined : formatFigure((2 * multiplyAdds) / 1e9),
    ),
    number("GFLOP/s", (one) => formatOptional(flopsPerSecond(one), 1e9)),
    number("of measured peak", (one) => formatShare(flopsPerSecond(one), peak?.flopsPerSecond)),
    number("of stated peak", (one) => formatShare(flopsPerSecond(one), stated)),
    number("CPU time", ({ cpuMilliseconds }) => {
      const middle = median(cpuMilliseconds);
      return Number.isFinite(middle) ? formatMs(middle) : undefined;
    }),
    number("process memory", ({ peakMemoryBytes }) =>
      peakMemoryBytes === undefined ? undefined : formatMebibytes(peakMemoryBytes),
    ),
    number("GPU memory", ({ device }) =>
      device?.peakMemoryBytes === undefined ? undefined : formatMebibytes(device.peakMemoryBytes),
    ),
    number("energy", ({ device }) =>
      device?.joules === undefined ? undefined : `${formatFigure(device.joules)} J`,
    ),
    number("energy per minute of video", ({ device, videoSeconds }) =>
      device?.joules === undefined || videoSeconds === undefined
        ? undefined
        : `${formatFigure((device.joules / 3600) * (60 / videoSeconds))} Wh`,
    ),
    number("cost per minute of video", (one) => formatCost(one, costPerHour)),
  ];
}

/** The two sides of every stage, and how many times faster ours is. */
export function formatComparison(report: ComparisonReport): string {
  const { ours, other, comparisons } = report;
  const rounds = comparisons[0]?.ours.milliseconds.length ?? 0;
  const hasOutputs = comparisons.some(({ difference }) => difference !== undefined);
  return [
    ...describe(
      report,
      `Medians of ${rounds} rounds after a warm-up, the two in turns; times of the other divided by ours per round, with the 95 % interval of the median.`,
    ),
    `Ours: ${ours}. Other: ${other}.`,
    "",
    `| stage | ours | other | other / ours | in CPU time |${hasOutputs ? " relative error | cosine |" : ""}`,
    `|---|---:|---:|---:|---:|${hasOutputs ? "---:|---:|" : ""}`,
    ...comparisons.map((comparison) => formatComparisonRow(comparison, hasOutputs)),
    "",
  ].join("\n");
}

function formatComparisonRow(comparison: StageComparison, hasOutputs: boolean): string {
  const { ours, other, ratio, cpuRatio, difference } = comparison;
  const cells = [
    ours.name === other.name ? ours.name : `${ours.name} - ${other.name}`,
    formatMs(median(ours.milliseconds)),
    formatMs(median(other.milliseconds)),
    formatRatio(ratio),
    formatRatio(cpuRatio),
    ...(hasOutputs ? formatDifference(difference) : []),
  ];
  return `| ${cells.join(" | ")} |`;
}

function formatRatio({ median: middle, interval }: Ratio): string {
  const [low, high] = interval.map((bound) => bound.toFixed(2));
  return Number.isFinite(middle) ? `${middle.toFixed(2)} (${low} - ${high})` : "";
}

function formatDifference(difference: OutputDifference | undefined): string[] {
  if (difference === undefined) return ["", ""];
  const { relativeError, cosine } = difference;
  return [relativeError.toExponential(1), cosine.toFixed(6)];
}

function describe(report: MeasuredOn, how: string): string[] {
  const { environment, hardware, peak } = report;
  const { cpu, cores, memoryBytes, system, node, versions, runtime, model, command, date } =
    environment;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gibibytes = Math.round(memoryBytes / GIBIBYTE);
  const flags = hardware?.cpuFlags ?? [];
  return [
    `${cpu}, ${cores} cores, ${gibibytes} GiB, ${system}; Node ${node}, ${packages.join(", ")}; ${date}`,
    ...(flags.length === 0 ? [] : [`Instruction sets: ${flags.join(", ")}`]),
    ...(hardware?.gpus ?? []).map(describeGpu),
    `Model: ${model}. Runtime: ${runtime}. ${how}`,
    ...(peak === undefined
      ? []
      : [
          `Measured peak: ${formatFigure(peak.flopsPerSecond / 1e9)} GFLOP/s, by products of ${peak.side} x ${peak.side} matrices on this runtime.`,
        ]),
    `Command: \`${command}\``,
  ];
}

function describeGpu({
  name,
  driver,
  memoryBytes,
  cuda,
  statedFlopsPerSecond,
}: GpuDescription): string {
  const parts = [
    `driver ${driver}`,
    ...(cuda === undefined ? [] : [`CUDA ${cuda}`]),
    `${Math.round(memoryBytes / GIBIBYTE)} GiB`,
    ...(statedFlopsPerSecond === undefined
      ? []
      : [`${formatFigure(statedFlopsPerSecond / 1e12)} TFLOP/s in float16 as its maker states`]),
  ];
  return `GPU: ${name}, ${parts.join(", ")}`;
}

/** Floating-point operations of networks per second of the whole run. */
function flopsPerSecond({ multiplyAdds, milliseconds }: Measurement): number | undefined {
  return multiplyAdds === undefined ? undefined : (2000 * multiplyAdds) / median(milliseconds);
}

function formatOptional(value: number | undefined, unit: number): string | undefined {
  return value === undefined ? undefined : formatFigure(value / unit);
}

function formatShare(value: number | undefined, whole: number | undefined): string | undefined {
  if (value === undefined || whole === undefined) return undefined;
  return `${((100 * value) / whole).toFixed(0)} %`;
}

function formatRate({ itemsPerRun, milliseconds, unit }: Measurement): string {
  return `${formatFigure((itemsPerRun * 1000) / median(milliseconds))} ${unit}/s`;
}

function formatCost(
  { milliseconds, videoSeconds }: Measurement,
  costPerHour: number | undefined,
): string | undefined {
  if (videoSeconds === undefined || costPerHour === undefined) return undefined;
  const hoursPerMinute = ((median(milliseconds) / 1000 / videoSeconds) * 60) / 3600;
  return (costPerHour * hoursPerMinute).toPrecision(3);
}

function formatSpread(milliseconds: readonly number[]): string {
  return `${formatMs(Math.min(...milliseconds))} - ${formatMs(Math.max(...milliseconds))}`;
}

function formatMs(milliseconds: number): string {
  return milliseconds >= 1000
    ? `${(milliseconds / 1000).toFixed(2)} s`
    : `${formatFigure(milliseconds)} ms`;
}

function formatMebibytes(bytes: number): string {
  return `${Math.round(bytes / MEBIBYTE)} MiB`;
}

/** Three significant digits. */
function formatFigure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
