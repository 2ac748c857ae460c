/** `bench --suite`: runs the evaluation set, compares two builds, or both. */
import { writeFile } from "node:fs/promises";
import {
  compareSuites,
  describeEnvironment,
  endsAsExpected,
  formatSuiteComparison,
  formatSuiteReport,
  readSuiteReport,
  runSuite,
  type SuiteComparison,
  type SuiteReport,
} from "@ls/benchmarks";
import { LatentSyncError, Resources } from "@ls/core";
import { openModel } from "@ls/models";
import { defaultModel, locateModel } from "../bundled-model.ts";
import type { CommandContext } from "../command-context.ts";
import type { PrecisionName, RuntimeName } from "../options.ts";
import { selectRuntime } from "../select-runtime.ts";
import { nativeVersions, packageVersion } from "../version.ts";

/** Few, so that a set takes minutes on a CPU; more of them change little in what a comparison tells. */
export const DEFAULT_SUITE_STEPS = 5;

export interface BenchSuiteOptions {
  readonly model?: string;
  readonly inferenceSteps?: number;
  readonly runtime: RuntimeName;
  readonly precision: PrecisionName;
  readonly threads?: number;
  readonly cases?: readonly string[];
  /** A stored report that this build is compared with. */
  readonly baseline?: string;
  /** Two stored reports: nothing is run. */
  readonly compareReports?: readonly string[];
  readonly report?: string;
  readonly json?: boolean;
}

/** @throws LatentSyncError `unmet` if a case is worse, or does not end as it must. */
export async function benchSuite(
  options: BenchSuiteOptions,
  context: CommandContext,
): Promise<void> {
  const { cases } = options;
  if (options.compareReports !== undefined) {
    const [baseline, candidate] = await readPair(options.compareReports);
    const comparison = compareSuites(baseline, candidate, cases);
    await show({ value: comparison, text: formatSuiteComparison(comparison) }, options, context);
    requireNothingWorse(comparison);
    return;
  }
  const baseline =
    options.baseline === undefined ? undefined : await readSuiteReport(options.baseline);
  const report = await run(options, baseline, context);
  if (baseline === undefined) {
    await show({ value: report, text: formatSuiteReport(report) }, options, context);
    requireExpectedEndings(report);
    return;
  }
  const comparison = compareSuites(baseline, report, cases);
  const text = formatSuiteComparison(comparison);
  await show({ value: comparison, text, stored: report }, options, context);
  requireNothingWorse(comparison);
}

async function readPair(paths: readonly string[]): Promise<[SuiteReport, SuiteReport]> {
  const [first, second, ...more] = paths;
  if (first === undefined || second === undefined || more.length > 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `--compare-reports takes two reports, the baseline's first, but got ${paths.length}.`,
      { hint: "Write --compare-reports build-a.json build-b.json." },
    );
  }
  return [await readSuiteReport(first), await readSuiteReport(second)];
}

async function run(
  options: BenchSuiteOptions,
  baseline: SuiteReport | undefined,
  { terminal, signal }: CommandContext,
): Promise<SuiteReport> {
  await using resources = new Resources();
  const runtime = await selectRuntime(options, resources);
  const precision =
    options.precision === "auto" ? runtime.capabilities.precisions[0] : options.precision;
  const reference = locateModel(options.model ?? (await defaultModel()));
  const model = resources.use(await openModel(reference, { signal }));
  return await runSuite({
    ...{ model, runtime, precision, baseline, signal },
    cases: options.cases,
    inferenceSteps: options.inferenceSteps ?? DEFAULT_SUITE_STEPS,
    environment: describeEnvironment({
      versions: { "latentsync-ts": packageVersion(), ...nativeVersions() },
      runtime: `${runtime.name}, ${precision}`,
      model: `${model.info.name}, ${model.info.resolution} pixels`,
      command: `npx latentsync-ts ${process.argv.slice(2).join(" ")}`,
    }),
    onCase: ({ name, failure, modelSeconds }, index, count) => {
      if (options.json === true) return;
      const ending = failure === null ? "" : `, error ${failure}`;
      const seconds = modelSeconds.toFixed(1);
      terminal.stderr.write(`${index + 1}/${count} ${name}: model ${seconds} s${ending}\n`);
    },
  });
}

interface Result {
  /** What `--json` prints. */
  readonly value: SuiteReport | SuiteComparison;
  /** What people read, in Markdown. */
  readonly text: string;
  /** What is stored as JSON, if not `value`: the next comparison's baseline. */
  readonly stored?: SuiteReport;
}

/** Shown first: what took minutes to measure is not lost to a folder that cannot be written. */
async function show(
  { value, text, stored }: Result,
  { report, json }: BenchSuiteOptions,
  { terminal }: CommandContext,
): Promise<void> {
  terminal.stdout.write(json === true ? `${JSON.stringify(value)}\n` : text);
  if (report === undefined) return;
  const isMarkdown = report.toLowerCase().endsWith(".md");
  await writeFile(report, isMarkdown ? text : `${JSON.stringify(stored ?? value, null, 1)}\n`);
}

function requireExpectedEndings({ suite, cases }: SuiteReport): void {
  const others = cases.filter((result) => !endsAsExpected(result));
  if (others.length === 0) return;
  const names = others.map(
    ({ name, failure, expected }) =>
      `${name} (${failure ?? "success"} instead of ${expected.failure ?? "success"})`,
  );
  throw new LatentSyncError(
    "unmet",
    `${others.length} of ${cases.length} cases of ${suite} did not end as they must: ${names.join(", ")}.`,
    { hint: "Look at the messages below the table." },
  );
}

function requireNothingWorse({ suite, cases, worse }: SuiteComparison): void {
  if (worse.length === 0) return;
  throw new LatentSyncError(
    "unmet",
    `${worse.length} of ${cases.length} cases of ${suite} are worse than in the baseline: ${worse.join(", ")}.`,
    { hint: "Keep the build of the baseline, or find out what changed these cases." },
  );
}
