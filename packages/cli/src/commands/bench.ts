import { fullSizePhases, officialPrecisions } from "@ls/benchmarks";
import { Resources } from "@ls/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { debugOption, decimal, integer, jsonOption } from "../options.ts";
import { formatBytes } from "../terminal.ts";
import {
  benchCompare,
  benchOfficial,
  type BenchOfficialOptions,
  DEFAULT_OFFICIAL_STAGES,
} from "./bench-compare.ts";
import {
  addSettingsOptions,
  openSide,
  parseSettingsChange,
  type SettingsChange,
} from "./bench-settings.ts";
import {
  BENCH_SIZES,
  BENCH_STAGES,
  benchStages,
  type BenchStagesOptions,
  DEFAULT_STAGES,
  FILE_STAGES,
} from "./bench-stages.ts";
import { benchSuite, type BenchSuiteOptions, DEFAULT_SUITE_STEPS } from "./bench-suite.ts";

type BenchOptions = Omit<BenchStagesOptions, "stages"> &
  Omit<BenchSuiteOptions, keyof BenchStagesOptions> &
  Omit<BenchOfficialOptions, keyof BenchStagesOptions | "official"> & {
    readonly stages?: readonly string[];
    readonly official?: string;
    readonly compare?: SettingsChange;
    readonly fullSize?: boolean;
    readonly suite?: boolean;
  };

/** Options that mean nothing to the evaluation set. */
const STAGE_OPTIONS = [
  ...["size", "stages", "rounds", "frames", "seconds", "video", "audio", "landmarks"],
  ...["costPerHour", "compare", "official", "fullSize", "quality", "scheduler"],
  ...["guidanceScale", "guidanceInterval", "deepcacheInterval", "enableDeepcache", "devices"],
];

export function addBenchCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("bench")
    .description(
      "time every stage on this machine, on drawn pictures and random weights; compare two settings, or the official code; or compare two builds on a fixed evaluation set",
    )
    .option("--model <name|dir>", "a model of yours instead of random weights")
    .addOption(
      new Option("--size <size>", "random weights: a small model, or LatentSync's real sizes")
        .choices(BENCH_SIZES)
        .default("small"),
    )
    .option(
      "--stages <list>",
      `some of ${BENCH_STAGES.join(",")} (default: all but ${FILE_STAGES.join(",")})`,
      parseStages,
    )
    .option("--rounds <n>", "measured runs of each stage", integer(1, 10_000), 5)
    .option(
      "--frames <n>",
      "frames of a UNet's step and of denoise; default: a chunk",
      integer(1, 24),
    )
    .option("--seconds <n>", "length of the whole run's clip", integer(1, 3600), 2)
    .option(
      "--video <file>",
      "input of the stages infer, which starts the program each time, and job",
    )
    .option("--audio <file>", "speech for the stages infer and job")
    .option("--landmarks <file>", "alignment points for the stages infer and job")
    .option(
      "--cost-per-hour <x>",
      "what the machine costs, to tell the cost of a minute of video",
      decimal(0, 1_000_000),
    );
  addSettingsOptions(command);
  addComparisonOptions(command);
  addSuiteOptions(command)
    .option(
      "--report <file>",
      "also write the report to a file: Markdown, or JSON if it ends in .json; of the evaluation set JSON, unless it ends in .md",
    )
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((options: BenchOptions) => bench(options, command, context));
}

function addComparisonOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--compare <options>",
        'time these settings, such as "--runtime openvino --precision bfloat16", in turns with the command\'s own',
      ).argParser(parseSettingsChange),
    )
    .addOption(
      new Option(
        "--official <dir>",
        "time the official code in this checkout in turns with ours, on the same weights and inputs",
      ).conflicts(["compare"]),
    )
    .option("--python <program>", "a Python that has what the official code needs", "python3")
    .addOption(
      new Option("--official-precision <type>", "arithmetic of the official code on the CPU")
        .choices(officialPrecisions)
        .default("float32"),
    )
    .option(
      "--official-steps <n>",
      "steps of the official denoise that are run; its time is scaled to all (default: all)",
      integer(1, 1000),
    );
}

function addSuiteOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--full-size",
        "time reading, building and loading a full-size checkpoint instead (11 GB of temporary files)",
      ).conflicts(["model", "report", "compare", "official"]),
    )
    .addOption(
      new Option(
        "--suite",
        `lip-sync and measure a fixed evaluation set instead, in ${DEFAULT_SUITE_STEPS} steps if --inference-steps is not given; default model: the newest pulled one`,
      ).conflicts(STAGE_OPTIONS),
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
      new Option(
        "--compare-reports <files...>",
        "compare two reports of the evaluation set; runs nothing",
      )
        .conflicts(["baseline", "model", "inferenceSteps"])
        .implies({ suite: true }),
    );
}

const EXAMPLES = `
Examples:
  latentsync-ts bench --rounds 5 --report report.md
  latentsync-ts bench --stages unet-step --size 256 --compare "--runtime openvino --precision bfloat16"
  latentsync-ts bench --official ../LatentSync --python ../LatentSync/.venv/bin/python --size 256 --frames 4
  latentsync-ts bench --stages infer --model DIR --video a.mp4 --audio a.wav --compare "--quality balanced"
  latentsync-ts bench --suite --report build-a.json
  latentsync-ts bench --suite --baseline build-a.json --report build-b.json
  latentsync-ts bench --suite --compare-reports build-a.json build-b.json --report pull-request.md
`;

const splitList = (text: string): readonly string[] => text.split(",").map((item) => item.trim());

function parseStages(text: string): readonly string[] {
  const stages = splitList(text);
  const unknown = stages.filter((stage) => !BENCH_STAGES.includes(stage));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(
      `Unknown: ${unknown.join(", ")}. Known: ${BENCH_STAGES.join(", ")}.`,
    );
  }
  return stages;
}

async function bench(
  options: BenchOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  if (options.suite === true) return benchSuite(options, context);
  if (options.fullSize === true) return benchFullSize(options, context);
  const { official, compare } = options;
  const standard = official === undefined ? DEFAULT_STAGES : DEFAULT_OFFICIAL_STAGES;
  const { stages = standard } = options;
  const { video, audio } = options;
  const withFiles = stages.find((stage) => FILE_STAGES.includes(stage));
  if (withFiles !== undefined && (video === undefined || audio === undefined)) {
    command.error(`error: the stage ${withFiles} needs --video and --audio`);
  }
  const onOneDevice = stages.find((stage) => !FILE_STAGES.includes(stage));
  if (onOneDevice !== undefined && (options.devices ?? compare?.devices) !== undefined) {
    command.error(`error: --devices is for ${FILE_STAGES.join(" and ")}, not for ${onOneDevice}`);
  }
  if (official !== undefined) return benchOfficial({ ...options, stages, official }, context);
  if (compare !== undefined) return benchCompare({ ...options, stages, compare }, context);
  return benchStages({ ...options, stages }, context);
}

async function benchFullSize(
  options: BenchOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { size, json } = options;
  await using resources = new Resources();
  const { runtime, precision } = await openSide(options, resources);
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
