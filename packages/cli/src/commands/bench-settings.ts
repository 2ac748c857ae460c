/** The settings that `bench` compares: where networks run, and how much work a run puts in. */
import type { Precision, Resources, Runtime, SamplingOptions } from "@ls/core";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import {
  type PrecisionName,
  precisionOption,
  type RuntimeName,
  runtimeOption,
  threadsOption,
} from "../options.ts";
import { devicesOption } from "../run-options.ts";
import { addSamplingOptions, type SamplingFlags, samplingOf } from "../sampling-options.ts";
import type { DeviceNumbers } from "../select-devices.ts";
import { selectRuntime } from "../select-runtime.ts";

/** What commander makes of {@link addSettingsOptions}. */
export interface BenchSettings extends SamplingFlags {
  readonly runtime: RuntimeName;
  readonly precision: PrecisionName;
  readonly threads?: number;
  /** Of stages that are whole jobs; the others run on one device. */
  readonly devices?: DeviceNumbers;
}

const NAMES = [
  ...["runtime", "precision", "threads", "devices", "quality", "scheduler"],
  "inferenceSteps",
  ...["guidanceScale", "guidanceInterval", "deepcacheInterval", "enableDeepcache"],
] as const satisfies readonly (keyof BenchSettings)[];

export function addSettingsOptions(command: Command): Command {
  return addSamplingOptions(command)
    .addOption(runtimeOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(devicesOption());
}

/** Options of `--compare`, such as `--runtime openvino --precision bfloat16`. */
export type SettingsChange = Partial<BenchSettings>;

/** Parses the options of `--compare`. @throws InvalidArgumentError, a usage error. */
export function parseSettingsChange(text: string): SettingsChange {
  const command = addSettingsOptions(new Command("--compare"))
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  try {
    command.parse(
      text.split(/\s+/).filter((word) => word !== ""),
      { from: "user" },
    );
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new InvalidArgumentError(`${JSON.stringify(text)}: ${error.message}`);
  }
  const given = Object.entries(command.opts<Record<string, unknown>>()).filter(
    ([name]) => command.getOptionValueSource(name) === "cli",
  );
  if (given.length > 0) return Object.fromEntries(given);
  throw new InvalidArgumentError('Expected options, such as "--runtime openvino".');
}

/** The settings with a change; what it does not name stays. */
export function changedSettings(settings: BenchSettings, change: SettingsChange): BenchSettings {
  return { ...settings, ...change };
}

/** The settings as options of a command line, so that another process can be given them. */
export function settingsArguments(settings: BenchSettings): string[] {
  return NAMES.flatMap((name) => {
    const value = settings[name];
    if (value === undefined || value === false) return [];
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [option] : [option, String(value)];
  });
}

/** Settings that are ready to be measured. */
export interface Side {
  readonly settings: BenchSettings;
  readonly runtime: Runtime;
  readonly precision: Precision;
  readonly sampling: SamplingOptions;
  /** As reports name it. */
  readonly label: string;
}

/** Opens the runtime, among `resources`. */
export async function openSide(settings: BenchSettings, resources: Resources): Promise<Side> {
  const runtime = await selectRuntime(settings, resources);
  const precision =
    settings.precision === "auto" ? runtime.capabilities.precisions[0] : settings.precision;
  const sampling = samplingOf(settings);
  const levers = settingsArguments({ ...settings, runtime: "auto", precision: "auto" });
  const others = levers.slice(2 * ["runtime", "precision"].length).join(" ");
  return {
    settings,
    runtime,
    precision,
    sampling,
    label: `${runtime.name}, ${precision}, ${others}`,
  };
}
