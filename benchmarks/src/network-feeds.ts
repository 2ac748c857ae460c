/** What networks are fed with when they are timed: the same for every runtime, and for other code. */
import { elementCount, float32, type ModelInfo, type Tensor } from "@ls/core";

/** Inputs of a network by name. */
export type Feeds = Readonly<Record<string, Tensor<"float32">>>;

/** Images that go through the VAE at once. */
const IMAGES = 4;
const TIMESTEP = 500;

/** Numbers in [-1, 1] that no kernel can shortcut. */
export function ramp(...dims: readonly number[]): Tensor<"float32"> {
  const length = elementCount(dims);
  return float32(
    dims,
    Float32Array.from({ length }, (_, index) => Math.sin(index)),
  );
}

function latentSizeOf({ resolution, vaeScaleFactor }: ModelInfo): number {
  return resolution / vaeScaleFactor;
}

export function encoderFeeds({ resolution }: ModelInfo): { readonly image: Tensor<"float32"> } {
  return { image: ramp(IMAGES, 3, resolution, resolution) };
}

export function decoderFeeds(info: ModelInfo): { readonly latents: Tensor<"float32"> } {
  const size = latentSizeOf(info);
  return { latents: ramp(IMAGES, info.latentChannels, size, size) };
}

/** One step of one chunk, as the graph that answers for silence and speech takes it. */
export function unetFeeds(
  info: ModelInfo,
  frames: number,
): {
  readonly sample: Tensor<"float32">;
  readonly timestep: Tensor<"float32">;
  readonly encoder_hidden_states: Tensor<"float32">;
} {
  const size = latentSizeOf(info);
  return {
    sample: ramp(1, 3 * info.latentChannels + 1, frames, size, size),
    timestep: float32([1], Float32Array.of(TIMESTEP)),
    encoder_hidden_states: ramp(frames, info.audioTokens, info.crossAttentionWidth),
  };
}

/** A chunk that is to be denoised: see `ChunkToDenoise` of `@ls/core`. */
export function chunkInputs(
  info: ModelInfo,
  frames: number,
): {
  readonly noise: Float32Array;
  readonly channels: Float32Array;
  readonly audio: Float32Array;
} {
  const { latentChannels, audioTokens, crossAttentionWidth } = info;
  const size = latentSizeOf(info);
  return {
    noise: ramp(latentChannels, size, size).data,
    channels: ramp(1 + 2 * latentChannels, frames, size, size).data,
    audio: ramp(frames, audioTokens, crossAttentionWidth).data,
  };
}
