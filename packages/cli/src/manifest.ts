/** What a run was, complete enough to make the same bytes again: a JSON file. */
import { readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { LatentSyncError, type LipSyncResult } from "@ls/core";
import { computeSha256, toFileError, writeAtomically } from "@ls/files";
import type { EngineDescription, JobManifest } from "@ls/server";
import type { Command } from "commander";
import type { InferFlags } from "./infer-job.ts";
import { chooseModel, type LoadedEngine } from "./load.ts";
import { describeInputs, type InputFile } from "./manifest-inputs.ts";
import { modelHashes } from "./model-hashes.ts";
import type { OptionRecord } from "./option-record.ts";
import { describeHardware } from "./service/hardware.ts";
import { nativeVersions, packageVersion } from "./version.ts";

const FORMAT = "latentsync-manifest 1";

/** Everything that an output depends on. */
export interface RunDescription extends Pick<JobManifest, "software"> {
  readonly format: typeof FORMAT;
  /** Versions of what computes, decodes and encodes. */
  readonly libraries: Readonly<Record<string, string>>;
  readonly platform: string;
  readonly model: JobManifest["model"] & {
    /** SHA-256 over its files, as outputs name it. */
    readonly sha256: string;
  };
  readonly runtime: EngineDescription["runtime"] & { readonly threads: number };
  /** Of `infer`, by their long names; with what was chosen where the command line left it open. */
  readonly options: OptionRecord;
  readonly inputs: Readonly<Record<string, InputFile>>;
}

export interface RunManifest
  extends RunDescription, Pick<JobManifest, "frames" | "framesWithoutFace"> {
  readonly output: OutputFile;
}

export interface OutputFile extends InputFile {
  /** Of the video before it was signed, where it was: signatures differ from run to run. */
  readonly unsignedSha256?: string;
}

/** What commander makes of {@link addManifestOption}. */
export interface ManifestFlags {
  readonly manifest?: string;
}

export function addManifestOption(command: Command): Command {
  return command.option(
    "--manifest <file>",
    "also write what `latentsync-ts rerun` needs to make the same bytes again, as JSON",
  );
}

export interface DescribeRunOptions {
  readonly engine: LoadedEngine;
  readonly flags: InferFlags;
  /** The options as they were given. */
  readonly given: OptionRecord;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** @throws LatentSyncError as {@link describeInputs}. */
export async function describeRun(options: DescribeRunOptions): Promise<RunDescription> {
  const { engine, flags, given, seed, signal } = options;
  const { reference } = await chooseModel(flags);
  const threads = flags.threads ?? availableParallelism();
  const inputs = await describeInputs(given, signal);
  const paths = Object.entries(inputs)
    .filter(([name]) => name in given)
    .map(([name, { path }]) => [name, path] as const);
  const chosen = {
    ...Object.fromEntries(paths),
    ...(typeof reference === "string" ? { model: await absoluteModel(flags, engine) } : {}),
    ...{ runtime: engine.runtime, precision: engine.precision, threads, seed },
  };
  return {
    format: FORMAT,
    software: { name: "latentsync-ts", version: packageVersion() },
    libraries: { node: process.version, ...nativeVersions() },
    platform: `${process.platform}-${process.arch}`,
    model: {
      name: engine.model.name,
      sha256: engine.model.hash,
      files: await modelHashes(reference, signal),
    },
    runtime: {
      name: engine.runtime,
      hardware: await describeHardware(engine.runtime),
      precision: engine.precision,
      threads,
    },
    options: { ...given, ...chosen },
    inputs,
  };
}

/** A name, or a folder wherever the program is started. */
async function absoluteModel({ model }: InferFlags, engine: LoadedEngine): Promise<string> {
  if (model === undefined) return engine.model.name;
  const status = await stat(model).catch(() => undefined);
  return status?.isDirectory() === true ? resolve(model) : model;
}

/** Writes the manifest of a finished run. @throws LatentSyncError `disk_full` or `io`. */
export async function writeManifest(
  path: string,
  run: RunDescription,
  made: { readonly result: LipSyncResult; readonly output: OutputFile },
): Promise<void> {
  const { frames, framesWithoutFace } = made.result;
  const manifest: RunManifest = { ...run, output: made.output, frames, framesWithoutFace };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await writeAtomically(resolve(path), (sink) => sink.write(Buffer.from(text)));
}

/** An output with its hash. @throws LatentSyncError `not_found` or `io`. */
export async function describeOutput(path: string, signal?: AbortSignal): Promise<OutputFile> {
  const absolute = resolve(path);
  const sha256 = await computeSha256(absolute, signal);
  return { path: absolute, sha256, sizeBytes: (await stat(absolute)).size };
}

/** No manifest is so long. */
const MAX_BYTES = 1 << 20;

/**
 * Reads a manifest.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_argument` if the file is none.
 */
export async function readManifest(path: string): Promise<RunManifest> {
  let value: unknown;
  try {
    const status = await stat(path);
    if (!status.isFile() || status.size > MAX_BYTES) throw noManifest(path);
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw error instanceof SyntaxError ? noManifest(path, error) : toFileError(error, path);
  }
  if (!isManifest(value)) throw noManifest(path);
  return value;
}

function noManifest(path: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `${path} is not a manifest of this program.`, {
    cause,
    hint: "Give a file that `latentsync-ts infer --manifest` has written.",
  });
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const hasText = (fields: unknown, ...names: readonly string[]): boolean =>
  isFields(fields) && names.every((name) => typeof fields[name] === "string");

function isManifest(value: unknown): value is RunManifest {
  if (!isFields(value) || value["format"] !== FORMAT) return false;
  const { software, libraries, platform, model, runtime, options, inputs, output } = value;
  return (
    hasText(software, "name", "version") &&
    isFields(libraries) &&
    typeof platform === "string" &&
    hasText(model, "name", "sha256") &&
    hasText(runtime, "name", "hardware") &&
    isFields(options) &&
    isFields(inputs) &&
    Object.values(inputs).every((input) => hasText(input, "path", "sha256")) &&
    hasText(output, "path", "sha256")
  );
}
