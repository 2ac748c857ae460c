import type { ModelInfo } from "../model.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { float32 } from "../tensor.ts";
import type { ChunkConditioning } from "./chunk.ts";
import type { NoisePrediction, NoisePredictor } from "./noise-predictor.ts";

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
  const guided = guidanceScale > 1;
  const latentSize = info.resolution / info.vaeScaleFactor;
  const inputChannels = info.latentChannels * 3 + MASK_CHANNELS;
  const data = new Float32Array(inputChannels * frames * latentSize * latentSize);
  const sample = float32([1, inputChannels, frames, latentSize, latentSize], data);
  const audio = float32([frames, info.audioTokens, info.crossAttentionWidth], options.audio);
  let latents = repeatOverFrames(options.noise, info.latentChannels, frames);
  data.set(conditioning.channels, latents.length);
  for (const [stepIndex, timestep] of scheduler.timesteps.entries()) {
    signal.throwIfAborted();
    data.set(latents);
    const question = { stepIndex, timestep, sample, audio, guided, signal };
    const noise = guide(await predictor.predict(question), guidanceScale);
    latents = scheduler.step(stepIndex, noise, latents);
    yield latents;
  }
}

/** `unconditional + scale * (conditional - unconditional)`, where there are both. */
function guide({ conditional, unconditional }: NoisePrediction, scale: number): Float32Array {
  if (unconditional === undefined) return conditional;
  const { fround } = Math;
  return conditional.map((value, index) => {
    const silence = unconditional[index] as number;
    return silence + fround(scale * fround(value - silence));
  });
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
