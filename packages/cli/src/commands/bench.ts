import { writeFile } from "node:fs/promises";
import {
  describeEnvironment,
  formatReport,
  fullSizePhases,
  measure,
  stageBenchmarks,
  stageNames,
  wholeBenchmark,
} from "@ls/benchmarks";
import { Resources } from "@ls/core";
import { openModel, openRandomModel } from "@ls/models";
import { type Command, InvalidArgumentError, Option } from "commander";
import { locateModel } from "../bundled-model.ts";
import type { CommandContext } from "../command-context.ts";
import {
  debugOption,
  integer,
  jsonOption,
  precisionOption,
  runtimeOption,
  threadsOption,
} from "../options.ts";
import { selectRuntime } from "../select-runtime.ts";
import { formatBytes } from "../terminal.ts";
import { nativeVersions, packageVersion } from "../version.ts";
import { benchSuite, type BenchSuiteOptions, DEFAULT_SUITE_STEPS } from "./bench-suite.ts";

const SIZES = ["small", "256", "512"] as const;
const STAGES: readonly string[] = [...stageNames, "whole"];
const DEFAULT_WHOLE_STEPS = 6;

interface BenchOptions extends BenchSuiteOptions {
  readonly size: (typeof SIZES)[number];
  readonly stages: readonly string[];
  readonly rounds: number;
  readonly frames?: number;
  readonly seconds: number;
  readonly fullSize?: boolean;
  readonly suite?: boolean;
}

export function addBenchCommand(program: Command, context: CommandContext): void {
  program
    .command("bench")
    .description(
      "time every stage on this machine, on drawn pictures and random weights; or compare two builds on a fixed evaluation set",
    )
    .option("--model <name|dir>", "a model of yours instead of random weights")
    .addOption(
      new Option("--size <size>", "random weights: a small model, or LatentSync's real sizes")
        .choices(SIZES)
        .default("small"),
    )
    .option("--stages <list>", `some of ${STAGES.join(",")}`, parseStages, STAGES)
    .option("--rounds <n>", "measured runs of each stage", integer(1, 10_000), 5)
    .option("--frames <n>", "frames of the UNet's step; default: a chunk", integer(1, 24))
    .option("--seconds <n>", "length of the whole run's clip", integer(1, 3600), 2)
    .option(
      "--inference-steps <n>",
      `steps; default: ${DEFAULT_WHOLE_STEPS} of the whole run, ${DEFAULT_SUITE_STEPS} of the evaluation set`,
      integer(1, 1000),
    )
    .addOption(runtimeOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(
      new Option(
        "--full-size",
        "time reading, building and loading a full-size checkpoint instead (11 GB of temporary files)",
      ).conflicts(["model", "report"]),
    )
    .addOption(
      new Option(
        "--suite",
        "lip-sync and measure a fixed evaluation set instead; default model: the newest pulled one",
      ).conflicts(["size", "stages", "rounds", "frames", "seconds", "fullSize"]),
    )
    .addOption(
      new Option("--cases <list>", "only these cases of the evaluation set")
        .argParser(splitList)
        .implies({ suite: true }),
    )
    .addOption(
      new Option(
        "--baseline <file>",
        "run the evaluation set and compare with this report; exit code 1 if a case is worse",
      ).implies({ suite: true }),
    )
    .addOption(
      new Option("--compare <files...>", "compare two reports of the evaluation set; runs nothing")
        .conflicts(["baseline", "model", "inferenceSteps"])
        .implies({ suite: true }),
    )
    .option(
      "--report <file>",
      "also write the report to a file: Markdown; of the evaluation set JSON, unless it ends in .md",
    )
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((options: BenchOptions) =>
      options.suite === true ? benchSuite(options, context) : bench(options, context),
    );
}

const EXAMPLES = `
Examples:
  latentsync-ts bench --rounds 5 --report report.md
  latentsync-ts bench --suite --report build-a.json
  latentsync-ts bench --suite --baseline build-a.json --report build-b.json
  latentsync-ts bench --suite --compare build-a.json build-b.json --report pull-request.md
`;

const splitList = (text: string): readonly string[] => text.split(",").map((item) => item.trim());

function parseStages(text: string): readonly string[] {
  const stages = splitList(text);
  const unknown = stages.filter((stage) => !STAGES.includes(stage));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`Unknown: ${unknown.join(", ")}. Known: ${STAGES.join(", ")}.`);
  }
  return stages;
}

async function bench(options: BenchOptions, context: CommandContext): Promise<void> {
  await using resources = new Resources();
  const runtime = await selectRuntime(options, resources);
  const precision =
    options.precision === "auto" ? runtime.capabilities.precisions[0] : options.precision;
  if (options.fullSize === true) {
    await benchFullSize({ ...options, runtime, precision }, context);
    return;
  }
  const { terminal, signal } = context;
  const { frames, stages, rounds, seconds, size, json } = options;
  const inferenceSteps = options.inferenceSteps ?? DEFAULT_WHOLE_STEPS;
  const model = resources.use(
    options.model === undefined
      ? openRandomModel({ size })
      : await openModel(locateModel(options.model), { signal }),
  );
  const shared = { model, runtime, precision, frames };
  const all = [...stageBenchmarks(shared), wholeBenchmark({ ...shared, seconds, inferenceSteps })];
  const measurements = await measure({
    benchmarks: all.filter(({ name }) => stages.includes(name)),
    rounds,
    signal,
    onRun: (name, round, milliseconds) => {
      if (json === true) return;
      terminal.stderr.write(`${round + 1}/${rounds} ${name} ${milliseconds.toFixed(1)} ms\n`);
    },
  });
  const environment = describeEnvironment({
    versions: { "latentsync-ts": packageVersion(), ...nativeVersions() },
    runtime: `${runtime.name}, ${precision}`,
    model: `${model.info.name}, ${model.info.resolution} pixels`,
    command: `npx latentsync-ts ${process.argv.slice(2).join(" ")}`,
  });
  const report = { environment, measurements };
  const text = formatReport(report);
  // Shown first: what took minutes to measure is not lost to a folder that cannot be written.
  terminal.stdout.write(json === true ? `${JSON.stringify(report)}\n` : text);
  if (options.report !== undefined) await writeFile(options.report, text);
}

type FullSizeBench = Omit<BenchOptions, "runtime" | "precision"> &
  Pick<Parameters<typeof fullSizePhases>[0], "runtime" | "precision">;

async function benchFullSize(
  { size, runtime, precision, json }: FullSizeBench,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const phases = await fullSizePhases({
    size: size === "512" ? "512" : "256",
    runtime,
    precision,
    signal,
    onPhase: (phase) => {
      if (json === true) return;
      const grown = formatBytes(phase.peakMemoryBytes - phase.startMemoryBytes);
      const peak = formatBytes(phase.peakMemoryBytes);
      const seconds = phase.seconds.toFixed(1);
      terminal.stdout.write(`${phase.name}: ${seconds} s, peak ${peak} (+${grown})\n`);
    },
  });
  if (json === true) terminal.stdout.write(`${JSON.stringify(phases)}\n`);
}
