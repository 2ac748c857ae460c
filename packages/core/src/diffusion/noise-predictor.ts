/** The UNet behind one question: what is the noise in this sample? */
import { LatentSyncError } from "../errors.ts";
import type { Session } from "../runtime.ts";
import { float32, type Tensor } from "../tensor.ts";
import type { StepGroup } from "./step-group.ts";

export interface NoiseQuestion {
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
  /** Takes several steps at once, for samplers that can be put in numbers. */
  readonly group?: StepGroup | undefined;
  /** Begins with new chunks. What is remembered from step to step is the result's alone. */
  start(): StepPredictor;
}

/** Answers for one chunk, or for several together, at every step in order. */
export interface StepPredictor {
  predict(question: NoiseQuestion): Promise<NoisePrediction>;
}

/**
 * A UNet as two graphs. Each can be had without the other, so that a run keeps one network in memory.
 */
export interface UNetSessions {
  /** Answers for the batch that it is given: `unet` and the like. */
  readonly plain?: Session | undefined;
  /** Answers for silence, then for speech, of one batch, and shares their work: `unet_guided`. */
  readonly guided?: Session | undefined;
}

/** Outputs of a UNet's graph; where the question was guided, silence comes first in each. */
interface UNetAnswer {
  readonly noise: Float32Array;
  readonly deepFeatures: Tensor | undefined;
}

async function ask(
  { plain, guided }: UNetSessions,
  question: NoiseQuestion,
  options: { readonly deepFeatures?: Tensor; readonly outputs?: readonly string[] } = {},
): Promise<UNetAnswer> {
  const { signal, timestep, sample, audio } = question;
  const shares = question.guided && guided !== undefined;
  const session = shares ? guided : plain;
  if (session === undefined) {
    throw new LatentSyncError(
      "invalid_argument",
      `A step ${question.guided ? "with" : "without"} guidance was asked of a UNet that was opened for the other kind alone.`,
      { hint: "Open the UNet for steps of both kinds." },
    );
  }
  const doubles = question.guided && !shares;
  const { deepFeatures, outputs } = options;
  const result = await session.run(
    {
      sample: doubles ? withLeading(sample, sample.data) : sample,
      timestep: float32([1], Float32Array.of(timestep)),
      encoder_hidden_states: doubles
        ? withLeading(audio, new Float32Array(audio.data.length))
        : audio,
      ...(deepFeatures === undefined ? {} : { deep_features: deepFeatures }),
    },
    { signal, ...(outputs === undefined ? {} : { outputs }) },
  );
  const noise = result["noise_pred"]?.data;
  if (!(noise instanceof Float32Array)) {
    throw new TypeError("The UNet graph gave no float32 noise_pred.");
  }
  return { noise, deepFeatures: result["deep_features"] };
}

function withLeading(tensor: Tensor<"float32">, leading: Float32Array): Tensor<"float32"> {
  const { data, dims } = tensor;
  const both = new Float32Array(2 * data.length);
  both.set(leading);
  both.set(data, data.length);
  return float32([2 * (dims[0] as number), ...dims.slice(1)], both);
}

function predictionOf({ noise }: UNetAnswer, guided: boolean): NoisePrediction {
  if (!guided) return { conditional: noise };
  const half = noise.length / 2;
  return { unconditional: noise.subarray(0, half), conditional: noise.subarray(half) };
}

/** Every step runs the whole UNet. */
export class ExactNoisePredictor implements NoisePredictor, StepPredictor {
  readonly #unet: UNetSessions;

  constructor(unet: UNetSessions) {
    this.#unet = unet;
  }

  /** There is nothing to remember. */
  start(): StepPredictor {
    return this;
  }

  async predict(question: NoiseQuestion): Promise<NoisePrediction> {
    const answer = await ask(this.#unet, question, { outputs: ["noise_pred"] });
    return predictionOf(answer, question.guided);
  }
}

export interface DeepCacheOptions {
  readonly full: UNetSessions;
  readonly shallow: UNetSessions;
  /** Every `interval`-th step is a full one; an integer of 2 or more. */
  readonly interval: number;
  /** Takes `interval` steps at once. */
  readonly group?: StepGroup | undefined;
}

/**
 * DeepCache (Ma et al., 2023) at branch 0: every `interval`-th step runs the whole UNet, the steps
 * between reuse what entered the outermost up block's last layer and recompute only that layer.
 * Source: DeepCache 0.1.1, extension/deepcache.py; the official script's interval is 3.
 */
export class DeepCacheNoisePredictor implements NoisePredictor {
  readonly group: StepGroup | undefined;
  readonly #options: DeepCacheOptions;

  /** @throws LatentSyncError `invalid_argument` for an interval that cannot be. */
  constructor(options: DeepCacheOptions) {
    const { interval } = options;
    if (!Number.isSafeInteger(interval) || interval < 2) {
      throw new LatentSyncError(
        "invalid_argument",
        `DeepCache's interval must be an integer of at least 2, but is ${interval}.`,
        { hint: "The official script uses 3; without DeepCache every step is a full one." },
      );
    }
    this.group = options.group;
    this.#options = options;
  }

  start(): StepPredictor {
    return new DeepCacheSteps(this.#options);
  }
}

class DeepCacheSteps implements StepPredictor {
  readonly #options: DeepCacheOptions;
  #step = 0;
  #cached: { readonly features: Tensor; readonly guided: boolean } | undefined;

  constructor(options: DeepCacheOptions) {
    this.#options = options;
  }

  async predict(question: NoiseQuestion): Promise<NoisePrediction> {
    const { full, shallow, interval } = this.#options;
    const { guided } = question;
    const isDue = this.#step % interval === 0;
    this.#step += 1;
    const deepFeatures = isDue ? undefined : this.#featuresFor(guided);
    if (deepFeatures !== undefined) {
      return predictionOf(await ask(shallow, question, { deepFeatures }), guided);
    }
    const answer = await ask(full, question);
    const features = answer.deepFeatures;
    this.#cached = features === undefined ? undefined : { features, guided };
    return predictionOf(answer, guided);
  }

  /** What a step can reuse: speech is part of what a guided step has left, but not the reverse. */
  #featuresFor(guided: boolean): Tensor | undefined {
    const cached = this.#cached;
    if (cached === undefined || cached.guided === guided) return cached?.features;
    return guided ? undefined : secondHalf(cached.features);
  }
}

function secondHalf({ data, dims }: Tensor): Tensor {
  if (!(data instanceof Float32Array)) throw new TypeError("Deep features are not float32.");
  const [batch = 0, ...rest] = dims;
  return float32([batch / 2, ...rest], data.subarray(data.length / 2));
}
