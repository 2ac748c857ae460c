/** The options that say how a run uses the machine: devices, batches, memory, and a trace of it. */
import type { LipSyncRequest } from "@ls/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { integer } from "./options.ts";
import type { DeviceNumbers } from "./select-devices.ts";
import { describeUse, TraceFile } from "./trace-file.ts";
import { nativeVersions, packageVersion } from "./version.ts";

/** What commander makes of {@link addRunOptions}. */
export interface RunFlags {
  readonly devices?: DeviceNumbers;
  readonly chunksPerBatch?: number;
  readonly memoryCheck: boolean;
  readonly trace?: string;
}

export function addRunOptions(command: Command): Command {
  return command
    .addOption(devicesOption())
    .option(
      "--chunks-per-batch <n>",
      "chunks that are denoised together, at most (default: as many as pay and fit into memory)",
      integer(1, 64),
    )
    .option("--no-memory-check", "try it even if memory will hardly do")
    .option(
      "--trace <file>",
      "write what took place when, for Perfetto (ui.perfetto.dev) or chrome://tracing",
    );
}

export const devicesOption = (): Option =>
  new Option(
    "--devices <list>",
    "GPUs to spread the work over, such as 0,1, or all; on a CPU its cores are divided",
  ).argParser(deviceNumbers);

export function deviceNumbers(text: string): DeviceNumbers {
  if (text === "all") return "all";
  const parse = integer(0, 1023);
  const numbers = text.split(",").map((part) => parse(part.trim()));
  if (new Set(numbers).size === numbers.length) return numbers;
  throw new InvalidArgumentError("Expected every device once.");
}

/** The part of a request that the options say. */
export function loadOf({ chunksPerBatch, memoryCheck }: RunFlags): Partial<LipSyncRequest> {
  return {
    ...(chunksPerBatch === undefined ? {} : { chunksPerBatch }),
    checkMemory: memoryCheck,
  };
}

/** A trace that says how busy the devices were when it ends. */
export interface RunTrace extends Disposable {
  readonly file: TraceFile;
  /** What a person is told when the run has ended well. */
  report(): readonly string[];
}

/**
 * The trace that the options ask for.
 * @param settings shown in it, with the options and the versions.
 */
export function openTrace(
  flags: RunFlags,
  settings: Readonly<Record<string, unknown>>,
): RunTrace | undefined {
  const { trace: path } = flags;
  if (path === undefined) return undefined;
  const versions = {
    "latentsync-ts": packageVersion(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    ...nativeVersions(),
  };
  const file = new TraceFile(path, { versions, settings: { ...flags, ...settings } });
  return {
    file,
    report() {
      const { failure } = file;
      return [
        `Trace in ${path}: ${describeUse(file.deviceUse)}`,
        ...(failure === undefined ? [] : [`The trace is not complete: ${failure.message}`]),
      ];
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}
