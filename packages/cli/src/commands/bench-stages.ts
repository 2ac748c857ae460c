/** `bench`: times stages at one setting. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  type BenchmarkEnvironment,
  type BenchmarkFactory,
  describeEnvironment,
  formatReport,
  freshProcess,
  type MeasuredOn,
  type MeasuredPeak,
  measure,
  measurePeak,
  openInstruments,
  readHardware,
  stageBenchmarks,
  stageNames,
  wholeBenchmark,
} from "@ls/benchmarks";
import { type LatentSyncModel, Resources } from "@ls/core";
import { openModel, openRandomModel, type RandomModelSize } from "@ls/models";
import { defaultModel, locateModel } from "../bundled-model.ts";
import type { CommandContext } from "../command-context.ts";
import { nativeVersions, packageVersion } from "../version.ts";
import { jobBenchmark } from "./bench-job.ts";
import { type BenchSettings, openSide, settingsArguments, type Side } from "./bench-settings.ts";

export const BENCH_SIZES: readonly RandomModelSize[] = ["small", "256", "512"];

/** Stages that take the user's files; `infer` starts the program anew each time, `job` does not. */
export const FILE_STAGES: readonly string[] = ["infer", "job"];
/** Everything that can be timed. */
export const BENCH_STAGES: readonly string[] = [...stageNames, "whole", ...FILE_STAGES];
/** What is timed if nothing is named. */
export const DEFAULT_STAGES: readonly string[] = [...stageNames, "whole"];

export interface BenchStagesOptions extends BenchSettings {
  readonly model?: string;
  readonly size: RandomModelSize;
  readonly stages: readonly string[];
  readonly rounds: number;
  readonly frames?: number;
  readonly seconds: number;
  /** Inputs of {@link FILE_STAGES}. */
  readonly video?: string;
  readonly audio?: string;
  readonly landmarks?: string;
  readonly costPerHour?: number;
  readonly report?: string;
  readonly json?: boolean;
}

export async function benchStages(
  options: BenchStagesOptions,
  context: CommandContext,
): Promise<void> {
  const { signal } = context;
  const { rounds, stages } = options;
  await using resources = new Resources();
  const side = await openSide(options, resources);
  const model = resources.use(await openBenchModel(options, signal));
  const on = await describeMachine(options, side, model, context);
  const instruments = resources.use(await openInstruments());
  const measurements = await measure({
    benchmarks: stages.map((stage) => benchmarkOf(stage, { options, side, model })),
    ...{ rounds, signal, instruments },
    onRun: reportRuns(options, context),
  });
  const report = { ...on, measurements };
  await show(report, formatReport(report), options, context);
}

/** The model that is named, or one with random weights. */
export function openBenchModel(
  { model, size }: Pick<BenchStagesOptions, "model" | "size">,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof openModel>>> {
  return model === undefined
    ? Promise.resolve(openRandomModel({ size }))
    : openModel(locateModel(model), { signal });
}

/** One stage at one setting. */
export function benchmarkOf(
  stage: string,
  of: {
    readonly options: BenchStagesOptions;
    readonly side: Side;
    readonly model: LatentSyncModel;
  },
): BenchmarkFactory {
  const { options, side, model } = of;
  const { runtime, precision, sampling, settings } = side;
  if (stage === "infer") return inferBenchmark(options, settings);
  if (stage === "job") return jobBenchmark(options, side);
  const { frames, seconds } = options;
  const shared = { model, runtime, precision, sampling, frames };
  const all = [...stageBenchmarks(shared), wholeBenchmark({ ...shared, seconds })];
  const found = all.find(({ name }) => name === stage);
  if (found === undefined) throw new RangeError(`There is no stage ${stage}.`);
  return found;
}

const PROGRAM = fileURLToPath(new URL("../../bin/latentsync-ts.js", import.meta.url));

/** `infer` in a process of its own, on the user's files. */
function inferBenchmark(options: BenchStagesOptions, settings: BenchSettings): BenchmarkFactory {
  const { video = "", audio = "", landmarks } = options;
  const points = landmarks === undefined ? [] : ["--landmarks", landmarks];
  const start = async (signal: AbortSignal): ReturnType<BenchmarkFactory["create"]> => {
    const model = locateModel(options.model ?? (await defaultModel()));
    const fixed = [PROGRAM, "infer", "--model", model, "--video", video, "--audio", audio];
    return freshProcess({
      name: "infer",
      command: (output) => [
        process.execPath,
        ...fixed,
        ...[...points, ...settingsArguments(settings), "--out", output],
      ],
    }).create(signal);
  };
  return { name: "infer", create: start };
}

/** Stages whose time is that of networks on the runtime. */
const NETWORK_STAGES: ReadonlySet<string> = new Set([
  ...["whisper", "vae-encode", "unet-step", "denoise", "vae-decode", "whole", "job"],
]);

/** Machine, versions and, where networks are timed, the peak that they are compared with. */
export async function describeMachine(
  options: BenchStagesOptions,
  side: Side,
  model: LatentSyncModel,
  context: CommandContext,
): Promise<MeasuredOn> {
  const { costPerHour, stages } = options;
  const hasNetworks = stages.some((stage) => NETWORK_STAGES.has(stage));
  const peak = hasNetworks ? await tryMeasurePeak(side, context) : undefined;
  return {
    environment: environmentOf(side, model),
    hardware: await readHardware(),
    ...(peak === undefined ? {} : { peak }),
    ...(costPerHour === undefined ? {} : { costPerHour }),
  };
}

function environmentOf({ label }: Side, { info }: LatentSyncModel): BenchmarkEnvironment {
  return describeEnvironment({
    versions: { "latentsync-ts": packageVersion(), ...nativeVersions() },
    runtime: label,
    model: `${info.name}, ${info.resolution} pixels`,
    command: `npx latentsync-ts ${process.argv.slice(2).join(" ")}`,
  });
}

async function tryMeasurePeak(
  { runtime, precision }: Side,
  { terminal, signal }: CommandContext,
): Promise<MeasuredPeak | undefined> {
  try {
    return await measurePeak({ runtime, precision, signal });
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    terminal.stderr.write(`The peak of ${runtime.name} could not be measured: ${reason}\n`);
    return undefined;
  }
}

/** Lines on stderr that tell of every run. */
export function reportRuns(
  { rounds, json }: Pick<BenchStagesOptions, "rounds" | "json">,
  { terminal }: CommandContext,
): (name: string, round: number, milliseconds: number) => void {
  return (name, round, milliseconds) => {
    if (json === true) return;
    terminal.stderr.write(`${round + 1}/${rounds} ${name} ${milliseconds.toFixed(1)} ms\n`);
  };
}

/** Shown first: what took minutes to measure is not lost to a folder that cannot be written. */
export async function show(
  value: unknown,
  text: string,
  { report, json }: Pick<BenchStagesOptions, "report" | "json">,
  { terminal }: CommandContext,
): Promise<void> {
  terminal.stdout.write(json === true ? `${JSON.stringify(value)}\n` : text);
  if (report === undefined) return;
  const isJson = report.toLowerCase().endsWith(".json");
  await writeFile(report, isJson ? `${JSON.stringify(value, null, 1)}\n` : text);
}
