import type { ModelInfo } from "../model.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { float32 } from "../tensor.ts";
import type { ChunkConditioning } from "./chunk.ts";
import type { NoisePredictor } from "./noise-predictor.ts";

/** Channels of the UNet's input beside the noisy latents: the mask. */
const MASK_CHANNELS = 1;

/**
 * Denoises one chunk and yields the latents after every step.
 * @param options.noise `[4, h, h]`: one tile, repeated over all frames.
 * @param options.audio `[F, tokens, width]`
 * @param options.guidanceScale over 1: classifier-free guidance against silence (zero features).
 * @returns per step `[4, F, h, h]`, scaled latents.
 */
export async function* denoise(options: {
  readonly conditioning: ChunkConditioning;
  readonly noise: Float32Array;
  readonly audio: Float32Array;
  readonly guidanceScale: number;
  readonly scheduler: Scheduler;
  readonly predictor: NoisePredictor;
  readonly info: ModelInfo;
  readonly signal: AbortSignal;
}): AsyncGenerator<Float32Array> {
  const { conditioning, guidanceScale, info, predictor, scheduler, signal } = options;
  const { frames } = conditioning;
  const batch = guidanceScale > 1 ? 2 : 1;
  const latentSize = info.resolution / info.vaeScaleFactor;
  const inputChannels = info.latentChannels * 3 + MASK_CHANNELS;
  const sample = new Float32Array(batch * inputChannels * frames * latentSize * latentSize);
  const audio = batched(options.audio, batch);
  let latents = repeatOverFrames(options.noise, info.latentChannels, frames);
  const itemSize = sample.length / batch;
  for (let item = 0; item < batch; item++) {
    sample.set(conditioning.channels, item * itemSize + latents.length);
  }
  for (const [stepIndex, timestep] of scheduler.timesteps.entries()) {
    signal.throwIfAborted();
    for (let item = 0; item < batch; item++) sample.set(latents, item * itemSize);
    const prediction = await predictor.predict({
      stepIndex,
      timestep,
      sample: float32([batch, inputChannels, frames, latentSize, latentSize], sample),
      audio: float32([batch * frames, info.audioTokens, info.crossAttentionWidth], audio),
      signal,
    });
    const noise = batch === 1 ? prediction : guide(prediction, guidanceScale);
    latents = scheduler.step(stepIndex, noise, latents);
    yield latents;
  }
}

/** `unconditional + scale * (conditional - unconditional)` of a prediction that holds both halves. */
function guide(prediction: Float32Array, scale: number): Float32Array {
  const { fround } = Math;
  const half = prediction.length / 2;
  const guided = new Float32Array(half);
  for (let index = 0; index < half; index++) {
    const unconditional = prediction[index] as number;
    const difference = fround((prediction[half + index] as number) - unconditional);
    guided[index] = unconditional + fround(scale * difference);
  }
  return guided;
}

/** Silence first, then the speech; or the speech alone. */
function batched(audio: Float32Array, batch: number): Float32Array {
  if (batch === 1) return audio;
  const both = new Float32Array(audio.length * 2);
  both.set(audio, audio.length);
  return both;
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
