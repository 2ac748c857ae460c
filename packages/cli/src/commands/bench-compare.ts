/** `bench --compare` and `bench --official`: two settings, or ours and the official code, in turns. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  type BenchmarkFactory,
  comparePairs,
  type ComparisonReport,
  formatComparison,
  freshProcess,
  type MeasuredOn,
  officialJob,
  officialModel,
  type OfficialPrecision,
  officialScript,
  officialStage,
  officialStageNames,
  openInstruments,
  type PairToCompare,
} from "@ls/benchmarks";
import { LatentSyncError, type ModelInfo, Resources, resolveSampling } from "@ls/core";
import { findModelFiles, type ModelFiles, writeRandomModel } from "@ls/models";
import type { CommandContext } from "../command-context.ts";
import { changedSettings, openSide, type SettingsChange } from "./bench-settings.ts";
import {
  benchmarkOf,
  type BenchStagesOptions,
  describeMachine,
  FILE_STAGES,
  openBenchModel,
  reportRuns,
  show,
} from "./bench-stages.ts";

export interface BenchCompareOptions extends BenchStagesOptions {
  readonly compare: SettingsChange;
}

/** The command's settings against the same with a change. */
export async function benchCompare(
  options: BenchCompareOptions,
  context: CommandContext,
): Promise<void> {
  const { signal } = context;
  await using resources = new Resources();
  const ours = await openSide(options, resources);
  const other = await openSide(changedSettings(options, options.compare), resources);
  const model = resources.use(await openBenchModel(options, signal));
  const pairs = options.stages.map((stage) => ({
    stage,
    ours: benchmarkOf(stage, { options, side: ours, model }),
    other: benchmarkOf(stage, { options, side: other, model }),
  }));
  const on = await describeMachine(options, ours, model, context);
  await compareAndShow({ pairs, on, ours: ours.label, other: () => other.label }, options, context);
}

export interface BenchOfficialOptions extends BenchStagesOptions {
  /** Folder of a checkout of the official repository. */
  readonly official: string;
  readonly python: string;
  readonly officialPrecision: OfficialPrecision;
  readonly officialSteps?: number;
}

const OFFICIAL_STAGES: readonly string[] = [...officialStageNames, ...FILE_STAGES];

/** What is compared with the official code if nothing is named. */
export const DEFAULT_OFFICIAL_STAGES: readonly string[] = ["vae-encode", "unet-step", "vae-decode"];

/** The command's settings against the official code, on the same checkpoint and inputs. */
export async function benchOfficial(
  options: BenchOfficialOptions,
  context: CommandContext,
): Promise<void> {
  requireOfficialStages(options.stages);
  const { signal } = context;
  await using resources = new Resources();
  const folder = await checkpointFolder(options, resources, context);
  const files = await findModelFiles({ folder });
  const side = await openSide(options, resources);
  const model = resources.use(await openBenchModel({ ...options, model: folder }, signal));
  const versions: Record<string, string> = {};
  const onOpen = (opened: {
    versions: Readonly<Record<string, string>>;
    threads: number;
  }): void => {
    Object.assign(versions, opened.versions, { "PyTorch threads": String(opened.threads) });
  };
  const pairs = options.stages.map((stage) => ({
    stage,
    ours: benchmarkOf(stage, { options: { ...options, model: folder }, side, model }),
    other: officialBenchmark(stage, options, { files, info: model.info, onOpen }),
  }));
  const on = await describeMachine(options, side, model, context);
  const other = (): string => {
    const known = Object.entries(versions).map((entry) => entry.join(" "));
    return ["the official code", options.officialPrecision, ...known].join(", ");
  };
  await compareAndShow({ pairs, on, ours: side.label, other }, options, context);
}

interface Comparison {
  readonly pairs: readonly PairToCompare[];
  readonly on: MeasuredOn;
  readonly ours: string;
  /** Told when all is measured: some of it is known only then. */
  readonly other: () => string;
}

async function compareAndShow(
  { pairs, on, ours, other }: Comparison,
  options: BenchStagesOptions,
  context: CommandContext,
): Promise<void> {
  await using instruments = await openInstruments();
  const comparisons = await comparePairs({
    ...{ pairs, instruments, rounds: options.rounds, signal: context.signal },
    onRun: reportRuns(options, context),
  });
  const report: ComparisonReport = { ...on, ours, other: other(), comparisons };
  await show(report, formatComparison(report), options, context);
}

function requireOfficialStages(stages: readonly string[]): void {
  const others = stages.filter((stage) => !OFFICIAL_STAGES.includes(stage));
  if (others.length === 0) return;
  throw new LatentSyncError(
    "invalid_argument",
    `The official code cannot be asked for ${others.join(", ")} alone.`,
    { hint: `Choose some of --stages ${OFFICIAL_STAGES.join(",")}.` },
  );
}

/** The folder that both sides load: the user's, or a temporary one with random weights. */
async function checkpointFolder(
  { model, size, json }: BenchOfficialOptions,
  resources: Resources,
  { terminal, signal }: CommandContext,
): Promise<string> {
  if (model !== undefined) return resolve(model);
  const folder = await mkdtemp(join(tmpdir(), "latentsync-official-"));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  if (json !== true) terminal.stderr.write(`Writing random weights of size ${size}\n`);
  await writeRandomModel(folder, { size, signal });
  return folder;
}

interface OfficialParts {
  readonly files: ModelFiles;
  readonly info: ModelInfo;
  readonly onOpen: (process: {
    readonly versions: Readonly<Record<string, string>>;
    readonly threads: number;
  }) => void;
}

function officialBenchmark(
  stage: string,
  options: BenchOfficialOptions,
  { files, info, onOpen }: OfficialParts,
): BenchmarkFactory {
  const { python, officialPrecision, officialSteps, threads, inferenceSteps, guidanceScale } =
    options;
  const checkout = resolve(options.official);
  if (FILE_STAGES.includes(stage)) {
    const settings = officialRun(options, info);
    return stage === "infer"
      ? officialInfer(options, files, settings)
      : officialJob({ checkout, python, files, threads, settings, onOpen });
  }
  const name = officialStageNames.find((known) => known === stage);
  if (name === undefined) throw new RangeError(`There is no official stage ${stage}.`);
  return officialStage(name, {
    ...{ checkout, python, files, threads, info, onOpen },
    precision: officialPrecision,
    frames: options.frames ?? info.framesPerChunk,
    // The official code has none of the other levers.
    sampling: {
      ...(inferenceSteps === undefined ? {} : { inferenceSteps }),
      ...(guidanceScale === undefined ? {} : { guidanceScale }),
    },
    measuredSteps: officialSteps,
  });
}

/** What the official pipeline is told of a run on the user's files. */
function officialRun(
  options: BenchOfficialOptions,
  { framesPerChunk, resolution }: ModelInfo,
): Readonly<Record<string, unknown>> {
  const { video = "", audio = "", landmarks } = options;
  if (landmarks === undefined) {
    throw new LatentSyncError("invalid_argument", "The official pipeline needs --landmarks here.", {
      hint: "Give a file with the alignment points of every frame: both sides then use these.",
    });
  }
  const { inferenceSteps, guidanceScale } = resolveSampling({
    ...(options.inferenceSteps === undefined ? {} : { inferenceSteps: options.inferenceSteps }),
    ...(options.guidanceScale === undefined ? {} : { guidanceScale: options.guidanceScale }),
  });
  return {
    ...{ framesPerChunk, resolution, inferenceSteps, guidanceScale },
    seed: OFFICIAL_SEED,
    ...{ video: resolve(video), audio: resolve(audio), landmarks: resolve(landmarks) },
  };
}

/** The official pipeline in a fresh process. */
function officialInfer(
  { official, python, threads }: BenchOfficialOptions,
  files: ModelFiles,
  run: Readonly<Record<string, unknown>>,
): BenchmarkFactory {
  const settings = { ...run, threads: threads ?? null, model: officialModel(files) };
  return freshProcess({
    name: "official infer",
    command: (output) => [
      python,
      officialScript("official_pipeline.py"),
      resolve(official),
      JSON.stringify({ ...settings, output }),
    ],
  });
}

const OFFICIAL_SEED = 1247;
