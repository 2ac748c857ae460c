/** The UNet behind one question: what is the noise in this sample? */
import type { Session } from "../runtime.ts";
import { float32, type Tensor } from "../tensor.ts";

export interface NoiseQuestion {
  /** Position in the sampler's timesteps; 0 starts a new chunk. */
  readonly stepIndex: number;
  readonly timestep: number;
  /** `[N, 13, F, h, h]` of `N` chunks. */
  readonly sample: Tensor<"float32">;
  /** `[N * F, tokens, width]` */
  readonly audio: Tensor<"float32">;
  /** Whether the noise as silence has it is wanted too, for classifier-free guidance. */
  readonly guided: boolean;
  readonly signal: AbortSignal;
}

/** Each `[N, 4, F, h, h]`. */
export interface NoisePrediction {
  /** The noise as the speech has it. */
  readonly conditional: Float32Array;
  /** As silence (audio features of zeros) has it, if the question was `guided`. */
  readonly unconditional?: Float32Array;
}

export interface NoisePredictor {
  predict(question: NoiseQuestion): Promise<NoisePrediction>;
}

/** Feeds of a UNet whose batch holds silence first, then the speech; or the speech alone. */
function unetFeeds({ sample, timestep, audio, guided }: NoiseQuestion): Record<string, Tensor> {
  return {
    sample: guided ? withLeading(sample, sample.data) : sample,
    timestep: float32([1], Float32Array.of(timestep)),
    encoder_hidden_states: guided ? withLeading(audio, new Float32Array(audio.data.length)) : audio,
  };
}

function withLeading(tensor: Tensor<"float32">, leading: Float32Array): Tensor<"float32"> {
  const { data, dims } = tensor;
  const both = new Float32Array(2 * data.length);
  both.set(leading);
  both.set(data, data.length);
  return float32([2 * (dims[0] as number), ...dims.slice(1)], both);
}

function predictionOf(outputs: Record<string, Tensor>, guided: boolean): NoisePrediction {
  const noise = outputs["noise_pred"]?.data;
  if (!(noise instanceof Float32Array)) {
    throw new TypeError("The UNet graph gave no float32 noise_pred.");
  }
  if (!guided) return { conditional: noise };
  const half = noise.length / 2;
  return { unconditional: noise.subarray(0, half), conditional: noise.subarray(half) };
}

/** Every step runs the whole UNet. */
export class ExactNoisePredictor implements NoisePredictor {
  readonly #unet: Session;

  constructor(unet: Session) {
    this.#unet = unet;
  }

  async predict(question: NoiseQuestion): Promise<NoisePrediction> {
    const { guided, signal } = question;
    const outputs = await this.#unet.run(unetFeeds(question), { outputs: ["noise_pred"], signal });
    return predictionOf(outputs, guided);
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

  async predict(question: NoiseQuestion): Promise<NoisePrediction> {
    const { guided, signal, stepIndex } = question;
    const cached = this.#deepFeatures;
    if (stepIndex % this.#interval === 0 || cached === undefined) {
      const outputs = await this.#full.run(unetFeeds(question), { signal });
      this.#deepFeatures = outputs["deep_features"];
      return predictionOf(outputs, guided);
    }
    const feeds = { ...unetFeeds(question), deep_features: cached };
    return predictionOf(await this.#shallow.run(feeds, { signal }), guided);
  }
}
