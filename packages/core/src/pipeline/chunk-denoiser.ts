import { denoise } from "../diffusion/denoise.ts";
import type { Guidance } from "../diffusion/guidance.ts";
import type { NoisePredictor } from "../diffusion/noise-predictor.ts";
import type { LatentSyncModel, ModelInfo } from "../model.ts";
import { resolveSampling, type SamplingOptions } from "../quality.ts";
import type { Precision, Runtime } from "../runtime.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { Networks, unetUse } from "./networks.ts";

/** Where noise and conditions of one chunk of `F` frames come from. */
export interface ChunkToDenoise {
  /** `[4, h, h]`: one tile, repeated over all frames. */
  readonly noise: Float32Array;
  /** `[1 + 4 + 4, F, h, h]`: mask, latents of the masked faces, latents of the faces. */
  readonly channels: Float32Array;
  /** `[F, tokens, width]` */
  readonly audio: Float32Array;
  readonly frames: number;
}

export interface ChunkDenoiserOptions extends SamplingOptions {
  readonly model: LatentSyncModel;
  readonly runtime: Runtime;
  readonly precision: Precision;
  readonly signal: AbortSignal;
}

/** The sampling loop of one chunk by itself, with the networks that it needs: for measuring it. */
export class ChunkDenoiser implements AsyncDisposable {
  readonly #networks: Networks;
  readonly #predictor: NoisePredictor;
  readonly #scheduler: Scheduler;
  readonly #guidance: Guidance;
  readonly #info: ModelInfo;

  private constructor(parts: {
    readonly networks: Networks;
    readonly predictor: NoisePredictor;
    readonly scheduler: Scheduler;
    readonly guidance: Guidance;
    readonly info: ModelInfo;
  }) {
    this.#networks = parts.networks;
    this.#predictor = parts.predictor;
    this.#scheduler = parts.scheduler;
    this.#guidance = parts.guidance;
    this.#info = parts.info;
  }

  /**
   * Opens the UNet's graphs that the sampling needs. Model and runtime stay the caller's.
   * @throws LatentSyncError `invalid_argument` for settings that cannot be, or as opening a graph.
   */
  static async open(options: ChunkDenoiserOptions): Promise<ChunkDenoiser> {
    const { model, runtime, precision, signal } = options;
    const { info } = model;
    const sampling = resolveSampling(options);
    const { inferenceSteps: steps } = sampling;
    const guidance = { scale: sampling.guidanceScale, interval: sampling.guidanceInterval };
    const config = info.scheduler;
    const scheduler = createScheduler({ name: sampling.scheduler, config, steps });
    const networks = new Networks({ model, runtime, precision });
    try {
      const use = unetUse(scheduler, guidance, sampling);
      const predictor = await networks.noisePredictor(use, signal);
      return new ChunkDenoiser({ networks, predictor, scheduler, guidance, info });
    } catch (error) {
      await networks[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @returns `[4, F, h, h]`, the latents after the last step. */
  async run(
    { noise, channels, audio, frames }: ChunkToDenoise,
    signal: AbortSignal,
  ): Promise<Float32Array> {
    let latents: readonly Float32Array[] = [];
    const steps = denoise({
      ...{ noise, audio, signal },
      conditioning: [{ frames, channels }],
      guidance: this.#guidance,
      scheduler: this.#scheduler,
      predictor: this.#predictor,
      info: this.#info,
    });
    for await (const step of steps) latents = step;
    return latents[0] ?? new Float32Array();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#networks[Symbol.asyncDispose]();
  }
}
