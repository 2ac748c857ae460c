/** The UNet behind one question: what is the noise in this sample? */
import type { Session } from "../runtime.ts";
import { float32, type Tensor } from "../tensor.ts";

export interface NoisePredictor {
  /**
   * @param stepIndex position in the sampler's timesteps; 0 starts a new chunk.
   * @param sample `[B, 13, F, h, h]`
   * @param audio `[B * F, tokens, width]`
   * @returns `[B, 4, F, h, h]`
   */
  predict(options: {
    readonly stepIndex: number;
    readonly timestep: number;
    readonly sample: Tensor<"float32">;
    readonly audio: Tensor<"float32">;
    readonly signal: AbortSignal;
  }): Promise<Float32Array>;
}

function unetFeeds(options: Parameters<NoisePredictor["predict"]>[0]): Record<string, Tensor> {
  return {
    sample: options.sample,
    timestep: float32([1], Float32Array.of(options.timestep)),
    encoder_hidden_states: options.audio,
  };
}

function noiseOf(outputs: Record<string, Tensor>): Float32Array {
  const noise = outputs["noise_pred"]?.data;
  if (noise instanceof Float32Array) return noise;
  throw new TypeError("The UNet graph gave no float32 noise_pred.");
}

/** Every step runs the whole UNet. */
export class ExactNoisePredictor implements NoisePredictor {
  readonly #unet: Session;

  constructor(unet: Session) {
    this.#unet = unet;
  }

  async predict(options: Parameters<NoisePredictor["predict"]>[0]): Promise<Float32Array> {
    const { signal } = options;
    return noiseOf(await this.#unet.run(unetFeeds(options), { outputs: ["noise_pred"], signal }));
  }
}

/**
 * DeepCache (Ma et al., 2023) at branch 0: every `interval`-th step runs the whole UNet, the steps
 * between reuse what entered the outermost up block's last layer and recompute only that layer.
 * Source: DeepCache 0.1.1, extension/deepcache.py, as the official script sets it (interval 3).
 */
export class DeepCacheNoisePredictor implements NoisePredictor {
  readonly #full: Session;
  readonly #shallow: Session;
  readonly #interval: number;
  #deepFeatures: Tensor | undefined;

  constructor(options: {
    readonly full: Session;
    readonly shallow: Session;
    readonly interval: number;
  }) {
    this.#full = options.full;
    this.#shallow = options.shallow;
    this.#interval = options.interval;
  }

  async predict(options: Parameters<NoisePredictor["predict"]>[0]): Promise<Float32Array> {
    const { signal, stepIndex } = options;
    const cached = this.#deepFeatures;
    if (stepIndex % this.#interval === 0 || cached === undefined) {
      const outputs = await this.#full.run(unetFeeds(options), { signal });
      this.#deepFeatures = outputs["deep_features"];
      return noiseOf(outputs);
    }
    const feeds = { ...unetFeeds(options), deep_features: cached };
    return noiseOf(await this.#shallow.run(feeds, { signal }));
  }
}
