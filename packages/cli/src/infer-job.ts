/** One run of `infer` on an engine that is loaded: also for batches and for `rerun`. */
import { rm } from "node:fs/promises";
import type { LipSyncEvent, Tracer } from "@ls/core";
import { appearanceOf, type HardwareAcceleration, type VideoCodec } from "@ls/video";
import type { Command } from "commander";
import { openSigner, type OutputSigner, type SigningFlags } from "./c2pa-signature.ts";
import { choosesAmong } from "./face-detectors.ts";
import { type FaceFlags, faceSelectionOf } from "./face-options.ts";
import { type FootageFlags, footageOf } from "./footage-options.ts";
import type { LoadedEngine, LoadOptions } from "./load.ts";
import {
  describeOutput,
  describeRun,
  type ManifestFlags,
  type OutputFile,
  writeManifest,
} from "./manifest.ts";
import type { OptionRecord } from "./option-record.ts";
import type { PrecisionName, RuntimeName } from "./options.ts";
import type { NoticeEvent } from "./progress.ts";
import { openKeptSegments, type ResumeFlags } from "./resume-segments.ts";
import { loadOf, type RunFlags } from "./run-options.ts";
import { samplingOf, type SamplingFlags } from "./sampling-options.ts";
import { type TimeFlags, timesOf } from "./time-options.ts";

/** What commander makes of the options of `infer`. */
export interface InferFlags
  extends
    SamplingFlags,
    FaceFlags,
    FootageFlags,
    RunFlags,
    TimeFlags,
    ResumeFlags,
    ManifestFlags,
    SigningFlags {
  readonly video: string;
  readonly audio: string;
  readonly out: string;
  readonly model?: string;
  readonly unetConfig?: string;
  readonly unetCheckpoint?: string;
  readonly seed: number;
  readonly runtime: RuntimeName;
  readonly precision: PrecisionName;
  readonly threads?: number;
  readonly faceDetector: "mediapipe" | "insightface";
  readonly faceModel?: string;
  readonly landmarks?: string;
  readonly framesOut?: string;
  readonly codec: VideoCodec;
  readonly crf?: number;
  readonly hwaccel: HardwareAcceleration;
  readonly compat?: boolean;
}

/** A model of the environment is a default, which the official script's two files replace. */
export function withoutDefaultModel<T extends InferFlags>(
  options: T,
  command: Command,
): Omit<T, "model"> & Pick<InferFlags, "model"> {
  const isDefault = command.getOptionValueSource("model") === "env";
  if (!isDefault || options.unetCheckpoint === undefined) return options;
  const { model: _, ...rest } = options;
  return rest;
}

/** What of the options makes the engine, without hooks. */
export function engineOptionsOf(flags: InferFlags): LoadOptions {
  const { model, unetConfig, unetCheckpoint, threads, devices, faceDetector, faceModel } = flags;
  const { landmarks, hwaccel, compat, face, faceAt } = flags;
  return {
    ...{ model, unetConfig, unetCheckpoint, threads, devices, faceDetector, faceModel },
    ...{ landmarks, hwaccel, compat },
    thoroughFaces: face?.kind === "picture" || choosesAmong(face ?? faceAt),
    ...arithmeticOf(flags),
  };
}

/** Two jobs with the same key may share an engine; what else they say, each run is told. */
export function engineKeyOf(flags: InferFlags): string {
  const { thoroughFaces: _, landmarks, ...engine } = engineOptionsOf(flags);
  return JSON.stringify({ ...engine, hasLandmarks: landmarks !== undefined });
}

/** What computes, and how: like the official pipeline on a CPU, if that is asked for. */
function arithmeticOf({
  compat,
  runtime,
  precision,
}: InferFlags): Pick<LoadOptions, "runtime" | "precision"> {
  if (precision !== "auto") return { runtime, precision };
  if (compat !== true) return { runtime, precision: undefined };
  return { runtime: runtime === "auto" ? "cpu" : runtime, precision: "float32" };
}

export interface InferJob {
  readonly flags: InferFlags;
  /** The options as they were given, for manifests. */
  readonly given: OptionRecord;
  /** The seed that was drawn, or the given one: see {@link drawSeed}. */
  readonly seed: number;
  readonly trace?: Tracer | undefined;
  readonly signal: AbortSignal;
}

/** The seed of a run: -1 draws one. */
export function drawSeed({ seed }: Pick<InferFlags, "seed">): number {
  return seed === -1 ? Math.floor(Math.random() * 2 ** 32) : seed;
}

/**
 * Makes the video, signs it and writes its manifest, as the options say. The last event is `done`.
 * @throws LatentSyncError, or the signal's reason.
 */
export async function* runInferJob(
  engine: LoadedEngine,
  job: InferJob,
): AsyncGenerator<LipSyncEvent | NoticeEvent, void, undefined> {
  const { flags, seed, trace, signal } = job;
  const { resume, manifest } = flags;
  const signer = await openSigner(flags, flags.out);
  const isDescribed = resume === true || manifest !== undefined;
  const run = isDescribed ? await describeRun({ ...job, engine }) : undefined;
  const kept =
    run !== undefined && resume === true ? await openKeptSegments(flags.out, run) : undefined;
  if (kept !== undefined && kept.found > 0) {
    yield { type: "notice", message: `Going on after ${kept.found} finished segments.` };
  }
  const face = await faceSelectionOf(flags, (path) => appearanceOf(path, { signal }));
  const request = {
    video: flags.video,
    audio: flags.audio,
    output: flags.out,
    ...samplingOf(flags),
    ...loadOf(flags),
    ...timesOf(flags),
    ...(trace === undefined ? {} : { trace }),
    ...(kept === undefined ? {} : { segments: kept.store }),
    seed,
    ...footageOf(flags),
    ...(face === undefined ? {} : { face }),
    ...{ codec: flags.codec, crf: flags.crf, framesOut: flags.framesOut },
    landmarks: flags.landmarks,
    signal,
  } as const;
  for await (const event of engine.run(request)) {
    if (event.type === "done") {
      const output = await complete(flags, signer, signal);
      if (manifest !== undefined && run !== undefined) {
        await writeManifest(manifest, run, { result: event.result, output: await output() });
      }
      await kept?.remove();
    }
    yield event;
  }
}

/** Signs the output; without a signature that was asked for, there is none. */
async function complete(
  { out }: InferFlags,
  signer: OutputSigner | undefined,
  signal: AbortSignal,
): Promise<() => Promise<OutputFile>> {
  if (signer === undefined) return () => describeOutput(out, signal);
  const { sha256: unsignedSha256 } = await describeOutput(out, signal);
  try {
    await signer.sign(out, { signal });
  } catch (error) {
    await rm(out, { force: true });
    throw error;
  }
  return async () => ({ ...(await describeOutput(out, signal)), unsignedSha256 });
}
