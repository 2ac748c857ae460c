/** The pictures and latents of the frames that are denoised together, in the official order. */
import type { ModelInfo } from "../model.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import { latentSizeOf, posteriorNoise, type Vae } from "./vae.ts";

/** `F` frames on their way into the UNet. */
export interface ChunkConditioning {
  readonly frames: number;
  /** `[1 + 4 + 4, F, h, h]` float32: mask, latents of the masked faces, latents of the faces. */
  readonly channels: Float32Array;
}

/**
 * Normalises aligned faces to [-1, 1].
 * @param faces one `[3, R, R]` uint8 each.
 * @returns `[F, 3, R, R]` float32.
 */
export function normalizePixels(faces: readonly Uint8Array[]): Float32Array {
  const size = faces[0]?.length ?? 0;
  const pixels = new Float32Array(faces.length * size);
  for (const [frame, face] of faces.entries()) {
    const offset = frame * size;
    for (let index = 0; index < size; index++) {
      pixels[offset + index] = (Math.fround((face[index] as number) / 255) - 0.5) / 0.5;
    }
  }
  return pixels;
}

/** `pixels * mask` for every frame and colour plane. */
function maskPixels(pixels: Float32Array, mask: Float32Array): Float32Array {
  const plane = mask.length;
  return pixels.map((value, index) => value * (mask[index % plane] as number));
}

/** The mask at latent size by nearest sampling, as `torch.nn.functional.interpolate` does it. */
function latentMask(mask: Float32Array, resolution: number, latentSize: number): Float32Array {
  const scale = resolution / latentSize;
  return Float32Array.from({ length: latentSize * latentSize }, (_, index) => {
    const y = Math.floor(Math.floor(index / latentSize) * scale);
    const x = Math.floor((index % latentSize) * scale);
    return mask[y * resolution + x] as number;
  });
}

/** `[F, C, h, h]` to `[C, F, h, h]` and back, as the counts are swapped. */
export function swapFramesAndChannels(
  values: Float32Array,
  outer: number,
  inner: number,
): Float32Array {
  const plane = values.length / (outer * inner);
  const result = new Float32Array(values.length);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      const source = (i * inner + j) * plane;
      result.set(values.subarray(source, source + plane), (j * outer + i) * plane);
    }
  }
  return result;
}

/**
 * Encodes a chunk's faces. Draws the posterior samples of the masked faces first, then of the faces.
 * @param options.pixels `[F, 3, R, R]` float32 in [-1, 1]: the aligned faces.
 * @param options.mask `[R, R]` float32, 1 = keep.
 */
export async function encodeChunk(options: {
  readonly frames: number;
  readonly pixels: Float32Array;
  readonly mask: Float32Array;
  readonly vae: Vae;
  readonly random: NormalGenerator;
  readonly info: ModelInfo;
  readonly signal: AbortSignal;
}): Promise<ChunkConditioning> {
  const { frames, pixels, mask, vae, random, info, signal } = options;
  const masked = await vae.encode(maskPixels(pixels, mask), frames, random, signal);
  const reference = await vae.encode(pixels, frames, random, signal);
  const latentSize = latentSizeOf(info);
  const plane = latentSize * latentSize;
  const channels = new Float32Array((1 + 2 * info.latentChannels) * frames * plane);
  const smallMask = latentMask(mask, info.resolution, latentSize);
  for (let frame = 0; frame < frames; frame++) channels.set(smallMask, frame * plane);
  channels.set(swapFramesAndChannels(masked, frames, info.latentChannels), frames * plane);
  channels.set(
    swapFramesAndChannels(reference, frames, info.latentChannels),
    (1 + info.latentChannels) * frames * plane,
  );
  return { frames, channels };
}

/** Draws what {@link encodeChunk} would draw, so that the chunks after a restored one get their own numbers. */
export function skipChunkNoise(frames: number, info: ModelInfo, random: NormalGenerator): void {
  posteriorNoise(info, frames, random);
  posteriorNoise(info, frames, random);
}

/** `generated * (1 - mask) + pixels * mask` for every frame: only the masked region is new. */
export function keepSurroundings(
  generated: Float32Array,
  pixels: Float32Array,
  mask: Float32Array,
): Float32Array {
  const plane = mask.length;
  return generated.map((value, index) => {
    const keep = mask[index % plane] as number;
    return value * (1 - keep) + (pixels[index] as number) * keep;
  });
}
