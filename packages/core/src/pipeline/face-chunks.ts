/** Chunks in the order of the video, with everything that must be settled in that order. */
import { type ChunkNoise, drawChunkNoise } from "../diffusion/chunk.ts";
import { latentSizeOf } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import type { AlignedFace } from "../face.ts";
import type { ModelInfo } from "../model.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import type { SegmentStore } from "../segments.ts";
import type { PreparedFrame } from "./prepare.ts";

/** A frame that shows a face. */
export interface FaceFrame {
  /** The frame's number in its video. */
  readonly index: number;
  readonly face: AlignedFace;
  /** `[tokens, width]` audio features. */
  readonly speech: Float32Array;
}

/** The frames of a chunk that show a face, ready for the model of any device. */
export interface FaceChunk {
  /** From 0, counting chunks with faces. */
  readonly index: number;
  readonly frames: readonly FaceFrame[];
  readonly noise: ChunkNoise;
  /** `[4, F, h, h]` latents that an earlier run has kept: no denoising is needed. */
  readonly kept: Float32Array | undefined;
}

/** Frames that stay together. Whoever has them disposes them. */
export interface VideoChunk {
  readonly frames: readonly PreparedFrame[];
  /** `undefined` if no frame shows a face. */
  readonly faces: FaceChunk | undefined;
}

export function releaseChunk({ frames }: Pick<VideoChunk, "frames">): void {
  for (const { frame } of frames) frame[Symbol.dispose]();
}

export interface FaceChunkOptions {
  readonly info: ModelInfo;
  /** Drawn from here chunk by chunk, whether a chunk is denoised or was kept. */
  readonly random: NormalGenerator;
  readonly segments: SegmentStore | undefined;
  readonly signal: AbortSignal;
}

/** Numbers chunks, recalls latents that were kept, and draws random numbers in the official order. */
export async function* readFaceChunks(
  chunks: AsyncIterable<readonly PreparedFrame[]>,
  options: FaceChunkOptions,
): AsyncGenerator<VideoChunk> {
  const { info, random } = options;
  let index = 0;
  for await (const frames of chunks) {
    let owned = true;
    try {
      const withFaces = frames.flatMap(({ frame, face, speech }) =>
        face === undefined ? [] : [{ index: frame.index, face, speech }],
      );
      let faces: FaceChunk | undefined;
      if (withFaces.length > 0) {
        const kept = await recall(index, withFaces.length, options);
        const noise = drawChunkNoise(withFaces.length, info, random);
        faces = { index, frames: withFaces, noise, kept };
        index += 1;
      }
      owned = false;
      yield { frames, faces };
    } finally {
      if (owned) releaseChunk({ frames });
    }
  }
}

async function recall(
  chunk: number,
  faces: number,
  { info, segments, signal }: FaceChunkOptions,
): Promise<Float32Array | undefined> {
  const latents = await segments?.read(chunk, { signal });
  const expected = info.latentChannels * faces * latentSizeOf(info) ** 2;
  if (latents !== undefined && latents.length !== expected) {
    throw new LatentSyncError(
      "invalid_argument",
      `The segment store has ${latents.length} numbers for chunk ${chunk}, whose ${faces} faces need ${expected}: they are of another request.`,
      { hint: "Give each request a segment store of its own." },
    );
  }
  return latents;
}

/**
 * Consecutive chunks that can be denoised together: `limit` at most, of equally many faces. Chunks
 * that need no denoising stay alone.
 */
export async function* groupIntoBatches(
  chunks: AsyncIterable<VideoChunk>,
  limit: number,
): AsyncGenerator<readonly VideoChunk[]> {
  let batch: VideoChunk[] = [];
  const take = (): readonly VideoChunk[] => {
    const complete = batch;
    batch = [];
    return complete;
  };
  try {
    for await (const chunk of chunks) {
      const last = batch.at(-1);
      const fits = last === undefined || denoisedFaces(last) === denoisedFaces(chunk);
      const complete = fits ? [] : take();
      batch.push(chunk);
      if (complete.length > 0) yield complete;
      if (batch.length === limit || denoisedFaces(chunk) === undefined) yield take();
    }
    if (batch.length > 0) yield take();
  } finally {
    batch.forEach(releaseChunk);
  }
}

/** How many faces the UNet gets; `undefined` for a chunk that needs none of it. */
function denoisedFaces({ faces }: VideoChunk): number | undefined {
  return faces === undefined || faces.kept !== undefined ? undefined : faces.frames.length;
}
