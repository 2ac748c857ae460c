/** The engine that the service's worker processes import: what `infer` runs, with segments kept. */
import { availableParallelism } from "node:os";
import { type LipSyncEvent, resolveSampling, type SamplingSettings } from "@ls/core";
import { computeSha256 } from "@ls/files";
import { createSegmentFolder, type SegmentFingerprint } from "@ls/models";
import type { Engine, EngineDescription, EngineFactory, EngineRequest } from "@ls/server";
import { chooseModel, load, type LoadedEngine } from "../load.ts";
import { modelHashes } from "../model-hashes.ts";
import { packageVersion } from "../version.ts";
import { checkEngineOptions, type EngineOptions } from "./engine-options.ts";
import { describeHardware } from "./hardware.ts";

/**
 * Loads the model once; runs follow one another. With the same settings the output is that of
 * `latentsync-ts infer`, byte for byte.
 * @throws LatentSyncError as {@link load}, and `invalid_argument` for an option.
 */
export const createEngine: EngineFactory = async (options, { signal }) => {
  const settings = checkEngineOptions(options);
  const { reference, notices } = await chooseModel(settings);
  const chosen = typeof reference === "string" ? { model: reference } : {};
  const loaded = await load({ ...settings, ...chosen, signal });
  try {
    const description: EngineDescription = {
      software: { name: "latentsync-ts", version: packageVersion() },
      model: { name: loaded.model.name, files: await modelHashes(reference, signal) },
      runtime: { name: loaded.runtime, hardware: await describeHardware(loaded.runtime) },
      notices: [...notices, ...loaded.notices],
    };
    return new LocalEngine(loaded, settings, description);
  } catch (error) {
    await loaded[Symbol.asyncDispose]();
    throw error;
  }
};

class LocalEngine implements Engine {
  readonly description: EngineDescription;
  readonly #loaded: LoadedEngine;
  readonly #options: EngineOptions;

  constructor(loaded: LoadedEngine, options: EngineOptions, description: EngineDescription) {
    this.#loaded = loaded;
    this.#options = options;
    this.description = description;
  }

  async *run(request: EngineRequest): AsyncGenerator<LipSyncEvent, void, undefined> {
    const { seed, faceAt, signal } = request;
    const segments = createSegmentFolder({
      folder: request.segmentsFolder,
      fingerprint: await this.#fingerprint(request),
    });
    yield* this.#loaded.run({
      video: request.videoPath,
      audio: request.audioPath,
      output: request.outputPath,
      ...this.#sampling(request),
      seed,
      ...(faceAt === undefined ? {} : { face: { kind: "at", ...faceAt, timeSeconds: 0 } as const }),
      segments,
      signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loaded[Symbol.asyncDispose]();
  }

  /** Everything that latents depend on, to the bit: other hardware and threads add in another order. */
  async #fingerprint(request: EngineRequest): Promise<SegmentFingerprint> {
    const { videoPath, audioPath, seed, faceAt, signal } = request;
    const { software, runtime } = this.description;
    const { guidanceInterval, ...sampling } = this.#sampling(request);
    const { faceDetector, faceModel, precision, threads } = this.#options;
    const [video, audio] = await Promise.all([
      computeSha256(videoPath, signal),
      computeSha256(audioPath, signal),
    ]);
    return {
      video,
      audio,
      model: this.#loaded.model.hash,
      version: software.version,
      runtime: runtime.name,
      hardware: runtime.hardware,
      threads: threads ?? availableParallelism(),
      precision: precision ?? "preferred",
      faceDetector: faceDetector ?? "mediapipe",
      faceModel: faceModel ?? "",
      faceAt: faceAt === undefined ? "" : `${faceAt.x},${faceAt.y}`,
      ...sampling,
      guidanceInterval: guidanceInterval.join(),
      seed,
    };
  }

  /** The job's preset and settings, and what the operator sets for every job. */
  #sampling({
    quality,
    scheduler,
    inferenceSteps,
    guidanceScale,
  }: EngineRequest): SamplingSettings {
    const { deepCacheInterval } = this.#options;
    return resolveSampling({
      ...(quality === undefined ? {} : { quality }),
      ...(scheduler === undefined ? {} : { scheduler }),
      ...(deepCacheInterval === undefined ? {} : { deepCacheInterval }),
      inferenceSteps,
      guidanceScale,
    });
  }
}
