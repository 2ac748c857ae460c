/** The pictures and latents of the frames that are denoised together, in the official order. */
import type { ModelInfo } from "../model.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import { posteriorNoise } from "./vae.ts";

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
  const normalized = Float32Array.from(
    { length: 256 },
    (_, value) => (Math.fround(value / 255) - 0.5) / 0.5,
  );
  const pixels = new Float32Array(faces.length * size);
  for (const [frame, face] of faces.entries()) {
    const offset = frame * size;
    for (let index = 0; index < size; index++) {
      pixels[offset + index] = normalized[face[index] as number] as number;
    }
  }
  return pixels;
}

/** `pixels * mask` for every frame and colour plane. */
export function maskPixels(pixels: Float32Array, mask: Float32Array): Float32Array {
  const result = new Float32Array(pixels.length);
  for (let plane = 0; plane < pixels.length; plane += mask.length) {
    for (let index = 0; index < mask.length; index++) {
      result[plane + index] = (pixels[plane + index] as number) * (mask[index] as number);
    }
  }
  return result;
}

/** The mask at latent size by nearest sampling, as `torch.nn.functional.interpolate` does it. */
export function latentMask(
  mask: Float32Array,
  resolution: number,
  latentSize: number,
): Float32Array {
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

/** The random numbers that encoding a chunk takes, each `[F, 4, h, h]`. */
export interface ChunkNoise {
  readonly masked: Float32Array;
  readonly faces: Float32Array;
}

/** Draws the posterior noise of the masked faces first, then of the faces: one chunk after another. */
export function drawChunkNoise(
  frames: number,
  info: ModelInfo,
  random: NormalGenerator,
): ChunkNoise {
  const masked = posteriorNoise(info, frames, random);
  return { masked, faces: posteriorNoise(info, frames, random) };
}

/** `generated * (1 - mask) + pixels * mask` for every frame: only the masked region is new. */
export function keepSurroundings(
  generated: Float32Array,
  pixels: Float32Array,
  mask: Float32Array,
): Float32Array {
  const result = new Float32Array(generated.length);
  for (let plane = 0; plane < generated.length; plane += mask.length) {
    for (let index = 0; index < mask.length; index++) {
      const keep = mask[index] as number;
      const position = plane + index;
      result[position] =
        (generated[position] as number) * (1 - keep) + (pixels[position] as number) * keep;
    }
  }
  return result;
}
