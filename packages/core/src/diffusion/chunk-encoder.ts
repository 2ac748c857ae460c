/** From the faces of a chunk to what the UNet is told of them, in the official order. */
import type { ModelInfo } from "../model.ts";
import {
  type ChunkConditioning,
  type ChunkNoise,
  latentMask,
  maskPixels,
  normalizePixels,
  swapFramesAndChannels,
} from "./chunk.ts";
import { type FaceMoments, MomentsCache } from "./moments-cache.ts";
import { latentSizeOf, type Vae } from "./vae.ts";

/** A face to encode. */
export interface IdentifiedFace {
  /** Equal for equal pixels: the frame's number in its video, with the face's matrix. */
  readonly identity: string;
  /** `[3, R, R]` uint8. */
  readonly pixels: Uint8Array;
}

/**
 * Memory for the moments of faces that may come again when a video is played backwards: 64 KiB a
 * face at a resolution of 256, so those of 40 s of video.
 */
export const MOMENTS_BUDGET_BYTES: number = 64 * 1024 * 1024;

/** Encodes the faces of a video, chunk by chunk; of a face that comes again, only the noise is new. */
export class ChunkEncoder {
  readonly #vae: Vae;
  readonly #info: ModelInfo;
  readonly #mask: Float32Array;
  readonly #latentMask: Float32Array;
  readonly #cache: MomentsCache;

  /**
   * @param options.mask `[R, R]` float32, 1 = keep.
   * @param options.budgetBytes for moments of faces; {@link MOMENTS_BUDGET_BYTES} if not given.
   */
  constructor(options: {
    readonly vae: Vae;
    readonly info: ModelInfo;
    readonly mask: Float32Array;
    readonly budgetBytes?: number;
  }) {
    const { vae, info, mask, budgetBytes = MOMENTS_BUDGET_BYTES } = options;
    this.#vae = vae;
    this.#info = info;
    this.#mask = mask;
    this.#latentMask = latentMask(mask, info.resolution, latentSizeOf(info));
    this.#cache = new MomentsCache({ budgetBytes });
  }

  async encode(
    faces: readonly IdentifiedFace[],
    noise: ChunkNoise,
    signal: AbortSignal,
  ): Promise<ChunkConditioning> {
    const moments = await this.#momentsOf(faces, signal);
    const frames = faces.length;
    const { latentChannels } = this.#info;
    const plane = this.#latentMask.length;
    const channels = new Float32Array((1 + 2 * latentChannels) * frames * plane);
    for (let frame = 0; frame < frames; frame++) channels.set(this.#latentMask, frame * plane);
    const put = (part: keyof FaceMoments, values: Float32Array, firstChannel: number): void => {
      const latents = this.#vae.sample(
        moments.map((face) => face[part]),
        values,
      );
      channels.set(
        swapFramesAndChannels(latents, frames, latentChannels),
        firstChannel * frames * plane,
      );
    };
    put("masked", noise.masked, 1);
    put("face", noise.faces, 1 + latentChannels);
    return { frames, channels };
  }

  async #momentsOf(faces: readonly IdentifiedFace[], signal: AbortSignal): Promise<FaceMoments[]> {
    const found = new Map<string, FaceMoments>();
    const missing = new Map<string, Uint8Array>();
    for (const { identity, pixels } of faces) {
      const known = this.#cache.get(identity);
      if (known === undefined) missing.set(identity, pixels);
      else found.set(identity, known);
    }
    if (missing.size > 0) {
      const pixels = normalizePixels([...missing.values()]);
      const masked = await this.#vae.moments(maskPixels(pixels, this.#mask), missing.size, signal);
      const plain = await this.#vae.moments(pixels, missing.size, signal);
      for (const [index, identity] of [...missing.keys()].entries()) {
        const [maskedFace, face] = [masked[index], plain[index]];
        if (maskedFace === undefined || face === undefined) continue;
        const moments = { masked: maskedFace, face };
        found.set(identity, moments);
        this.#cache.set(identity, moments);
      }
    }
    return faces.map(({ identity }) => found.get(identity) as FaceMoments);
  }
}
