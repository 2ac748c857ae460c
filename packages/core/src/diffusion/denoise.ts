import type { ModelInfo } from "../model.ts";
import { type LinearStep, linearSteps } from "../schedulers/linear-steps.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { elementCount, float32, type Tensor } from "../tensor.ts";
import type { ChunkConditioning } from "./chunk.ts";
import { guide, type Guidance, isGuided } from "./guidance.ts";
import type { NoisePredictor } from "./noise-predictor.ts";
import type { StepGroup } from "./step-group.ts";

/** Channels of the UNet's input beside the noisy latents: the mask. */
const MASK_CHANNELS = 1;

export interface DenoiseOptions {
  /** Of `N` chunks. */
  readonly conditioning: readonly ChunkConditioning[];
  /** `[4, h, h]`: one tile, repeated over all frames. */
  readonly noise: Float32Array;
  /** `[N * F, tokens, width]` */
  readonly audio: Float32Array;
  readonly guidance: Guidance;
  readonly scheduler: Scheduler;
  /** Of its groups, where it has some, one is taken at a time, if the scheduler can be put in numbers. */
  readonly predictor: NoisePredictor;
  readonly info: ModelInfo;
  readonly signal: AbortSignal;
}

/**
 * Denoises chunks of equally many frames together and yields their latents after every step.
 * @returns per step `N` times `[4, F, h, h]`, scaled latents.
 */
export async function* denoise(options: DenoiseOptions): AsyncGenerator<Float32Array[]> {
  const batch = new ChunkBatch(options);
  const { group } = options.predictor;
  const steps = group === undefined ? undefined : linearSteps(options.scheduler);
  const taken =
    group === undefined || steps === undefined
      ? stepByStep(batch, options)
      : inGroups(batch, options, group, steps);
  for await (const latents of taken) yield batch.split(latents);
}

async function* stepByStep(
  { sample, audio, latents: start, put }: ChunkBatch,
  { guidance, scheduler, predictor, signal }: DenoiseOptions,
): AsyncGenerator<Float32Array> {
  const { timesteps } = scheduler;
  const sampler = scheduler.start();
  const prediction = predictor.start();
  let latents = start;
  for (const [stepIndex, timestep] of timesteps.entries()) {
    signal.throwIfAborted();
    put(latents);
    const guided = isGuided(guidance, stepIndex, timesteps.length);
    const noise = await prediction.predict({ timestep, sample, audio, guided, signal });
    latents = sampler.step(guide(noise, guidance), latents);
    yield latents;
  }
}

async function* inGroups(
  { sample, audio, latents: start, put }: ChunkBatch,
  { guidance, scheduler, signal }: DenoiseOptions,
  group: StepGroup,
  steps: readonly LinearStep[],
): AsyncGenerator<Float32Array> {
  let latents = start;
  let history: Float32Array = new Float32Array(start.length);
  const plan = steps.map((step, index) => ({
    ...step,
    timestep: scheduler.timesteps[index] as number,
  }));
  for (let first = 0; first < plan.length; first += group.length) {
    signal.throwIfAborted();
    put(latents);
    const answer = await group.take({
      sample,
      audio,
      steps: plan.slice(first, first + group.length),
      guidanceScale: guidance.scale,
      history,
      signal,
    });
    history = answer.history;
    for (latents of answer.latents) yield latents;
  }
}

/** What the UNet is told of chunks that are denoised together. */
class ChunkBatch {
  /** `[N, 13, F, h, h]`: the latents of the moment, and the conditioning. */
  readonly sample: Tensor<"float32">;
  /** `[N * F, tokens, width]` */
  readonly audio: Tensor<"float32">;
  /** `[N, 4, F, h, h]`: what denoising begins with. */
  readonly latents: Float32Array;
  readonly #chunks: readonly number[];

  constructor({ conditioning, noise, audio, info }: DenoiseOptions) {
    const chunks = conditioning.length;
    const frames = conditioning[0]?.frames ?? 0;
    const latentSize = info.resolution / info.vaeScaleFactor;
    const inputChannels = info.latentChannels * 3 + MASK_CHANNELS;
    const inputDims = [chunks, inputChannels, frames, latentSize, latentSize];
    this.sample = float32(inputDims, new Float32Array(elementCount(inputDims)));
    const audioDims = [chunks * frames, info.audioTokens, info.crossAttentionWidth];
    this.audio = float32(audioDims, audio);
    const start = repeatOverFrames(noise, info.latentChannels, frames);
    const stride = this.sample.data.length / chunks;
    this.latents = new Float32Array(chunks * start.length);
    this.#chunks = conditioning.map((_, chunk) => chunk);
    for (const [chunk, { channels }] of conditioning.entries()) {
      this.latents.set(start, chunk * start.length);
      this.sample.data.set(channels, chunk * stride + start.length);
    }
  }

  /** Makes `latents` those of the sample. */
  readonly put = (latents: Float32Array): void => {
    const stride = this.sample.data.length / this.#chunks.length;
    for (const [chunk, part] of this.split(latents).entries()) {
      this.sample.data.set(part, chunk * stride);
    }
  };

  /** Latents of each chunk. */
  split(latents: Float32Array): Float32Array[] {
    const size = latents.length / this.#chunks.length;
    return this.#chunks.map((chunk) => latents.subarray(chunk * size, (chunk + 1) * size));
  }
}

/** `[C, h, h]` to `[C, F, h, h]`. */
function repeatOverFrames(tile: Float32Array, channels: number, frames: number): Float32Array {
  const plane = tile.length / channels;
  const result = new Float32Array(tile.length * frames);
  for (let channel = 0; channel < channels; channel++) {
    const source = tile.subarray(channel * plane, (channel + 1) * plane);
    for (let frame = 0; frame < frames; frame++) {
      result.set(source, (channel * frames + frame) * plane);
    }
  }
  return result;
}
