/** What people read of an evaluation: Markdown, for a terminal and for a pull request. */
import type { CaseComparison, FigureComparison, SuiteComparison } from "./compare-suites.ts";
import { judgedFigures } from "./judged-figures.ts";
import type { SuiteCaseResult, SuiteReport, SuiteSettings } from "./suite-report.ts";

const HASH_DIGITS = 12;

/** A report as Markdown: what was run, and a table of the cases. */
export function formatSuiteReport(report: SuiteReport): string {
  const { suite, settings, model, runtime, environment, cases } = report;
  const { cpu, cores, system, node, versions, date } = environment;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Evaluation set ${suite}: ${formatSettings(settings)}`,
    `Model: ${model.name} ${model.hash.slice(0, HASH_DIGITS)}. Runtime: ${runtime.name}, ${runtime.precision}.`,
    `${cpu}, ${cores} cores, ${system}; Node ${node}, ${packages.join(", ")}; ${date}`,
    "",
    ...table(
      ["case", "ends with", ...judgedFigures.map(({ label }) => label), "model", "memory"],
      cases.map(formatCase),
    ),
    ...formatMessages(cases),
    "",
  ].join("\n");
}

function formatCase(result: SuiteCaseResult): string[] {
  const { name, failure, expected, framesSha256, modelSeconds, peakMemoryBytes } = result;
  const ending =
    failure === null
      ? `frames ${(framesSha256 ?? "").slice(0, HASH_DIGITS)}`
      : `error ${failure}${failure === expected.failure ? ", as it must" : ""}`;
  return [
    name,
    ending,
    ...judgedFigures.map((figure) => formatValue(figure.value(result), figure)),
    formatSeconds(modelSeconds),
    formatMemory(peakMemoryBytes),
  ];
}

function formatMessages(cases: readonly SuiteCaseResult[]): string[] {
  const lines = cases.flatMap(({ name, message }) =>
    message === null ? [] : [`- ${name}: ${message.replaceAll(/\s+/g, " ")}`],
  );
  return lines.length === 0 ? [] : ["", ...lines];
}

/** A comparison as Markdown: in what the builds differ, and a table of the cases. */
export function formatSuiteComparison(comparison: SuiteComparison): string {
  const { suite, settings, differences, cases } = comparison;
  const labels = judgedFigures.map(({ label }) => label);
  return [
    `Evaluation set ${suite}: ${formatSettings(settings)}`,
    ...(differences.length === 0
      ? ["The builds name the same model, runtime, versions and machine."]
      : differences.map(
          ({ what, ...build }) => `- ${what}: ${build.baseline} → ${build.candidate}`,
        )),
    "",
    ...table(["case", "verdict", ...labels, "model", "memory"], cases.map(formatComparedCase)),
    "",
    `${count(cases)}. One value: equal within tolerance; otherwise baseline → this build.`,
    "",
  ].join("\n");
}

function formatComparedCase(compared: CaseComparison): string[] {
  const { name, verdict, failures, figures, modelSeconds, peakMemoryBytes } = compared;
  return [
    name,
    formatVerdict(verdict, failures),
    ...figures.map(formatFigure),
    change(formatSeconds(modelSeconds.baseline), formatSeconds(modelSeconds.candidate)),
    change(formatMemory(peakMemoryBytes.baseline), formatMemory(peakMemoryBytes.candidate)),
  ];
}

function formatVerdict(
  verdict: CaseComparison["verdict"],
  { baseline, candidate }: CaseComparison["failures"],
): string {
  const word = verdict === "worse" ? "**worse**" : verdict;
  if (baseline === null && candidate === null) return word;
  const ending = (failure: string | null): string => failure ?? "success";
  return `${word}: ${change(ending(baseline), ending(candidate))}`;
}

function formatFigure(figure: FigureComparison): string {
  const candidate = formatValue(figure.candidate, figure);
  if (figure.verdict === "equal") return candidate;
  const text = `${formatValue(figure.baseline, figure)} → ${candidate}`;
  return `${text} (${figure.verdict})`;
}

function count(cases: readonly CaseComparison[]): string {
  return (["identical", "equal", "better", "worse"] as const)
    .map((word) => [cases.filter(({ verdict }) => verdict === word).length, word] as const)
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(", ");
}

function formatSettings({ inferenceSteps, guidanceScale, seed }: SuiteSettings): string {
  return `${inferenceSteps} steps, guidance ${guidanceScale}, seed ${seed}.`;
}

function formatValue(
  value: number | null,
  { digits, unit }: { readonly digits: number; readonly unit: string },
): string {
  if (value === null) return "-";
  return unit === "dB" ? `${value.toFixed(digits)} dB` : value.toFixed(digits);
}

const change = (was: string, is: string): string => (was === is ? is : `${was} → ${is}`);
const formatSeconds = (seconds: number): string => `${seconds.toFixed(1)} s`;
const formatMemory = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

/** Aligned, so that a terminal shows it well, too. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(header), rule, ...rows.map(line)];
}
