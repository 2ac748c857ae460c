/** The engine that the service's worker processes import: what `infer` runs, with segments kept. */
import { type LipSyncEvent, resolveSampling, type SamplingSettings } from "@ls/core";
import { computeSha256 } from "@ls/files";
import { createSegmentFolder, type SegmentFingerprint } from "@ls/models";
import type { Engine, EngineDescription, EngineFactory, EngineRequest } from "@ls/server";
import { chooseModel, load, type LoadedEngine } from "../load.ts";
import { modelHashes } from "../model-hashes.ts";
import { packageVersion } from "../version.ts";
import { checkEngineOptions, type EngineOptions } from "./engine-options.ts";
import { describeHardware } from "./hardware.ts";
import { jobFingerprint } from "./job-fingerprint.ts";

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
      runtime: {
        name: loaded.runtime,
        hardware: await describeHardware(loaded.runtime),
        precision: loaded.precision,
      },
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
    const { footage, seed, signal } = request;
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
      ...footage,
      segments,
      signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loaded[Symbol.asyncDispose]();
  }

  async #fingerprint(request: EngineRequest): Promise<SegmentFingerprint> {
    const { videoPath, audioPath, signal } = request;
    const [video, audio] = await Promise.all([
      computeSha256(videoPath, signal),
      computeSha256(audioPath, signal),
    ]);
    return jobFingerprint({
      request,
      sampling: this.#sampling(request),
      options: this.#options,
      description: this.description,
      hashes: { model: this.#loaded.model.hash, video, audio },
    });
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
