/**
 * The segment seam: where a run keeps the latents of the chunks that it has finished, so that the
 * same request, made again after a stop, gives the same frames without denoising them again.
 * Adapters pass `segmentStoreConformance` of `@ls/testing`.
 *
 * Latents rather than pictures: at a resolution of 256 they are 16 KiB a frame instead of 768 KiB.
 * A restored chunk is spared the VAE's encoder and all denoising steps. Reading, face detection,
 * warping, the VAE's decoder, blending and encoding are done again, and give what they gave before.
 */
export interface SegmentStore {
  /**
   * The latents of a chunk as they were written, bit for bit; `undefined` if there are none that are
   * whole and of the same request: a store tells what is damaged or of another request apart.
   * @param chunk from 0.
   * @returns `[4, F, h, h]` float32, scaled, for the `F` frames of the chunk that show a face.
   */
  read(
    chunk: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Float32Array | undefined>;
  /**
   * Keeps the latents of a chunk, in place of earlier ones. They stay the caller's.
   * @throws LatentSyncError such as `disk_full` or `io`, which ends the run.
   */
  write(
    chunk: number,
    latents: Float32Array,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
}
