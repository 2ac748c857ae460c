/** Chunks in the order of the video, with everything that must be settled in that order. */
import { type ChunkNoise, drawChunkNoise } from "../diffusion/chunk.ts";
import { latentSizeOf } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import type { AlignedFace } from "../face.ts";
import type { ModelInfo } from "../model.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import type { SegmentStore } from "../segments.ts";
import type { FaceCovers, MouthPainter } from "./mouth-painter.ts";
import type { PreparedFace, PreparedFrame } from "./prepare.ts";

/** A face that the model sees. */
export interface FaceFrame {
  /** The frame's number in its video. */
  readonly index: number;
  readonly face: AlignedFace;
  /** `[tokens, width]` audio features. */
  readonly speech: Float32Array;
}

/** The faces of one person in a chunk, ready for the model of any device. */
export interface FaceChunk {
  /** From 0, counting chunks with faces. */
  readonly index: number;
  readonly frames: readonly FaceFrame[];
  readonly noise: ChunkNoise;
  /** `[4, F, h, h]` latents that an earlier run has kept: no denoising is needed. */
  readonly kept: Float32Array | undefined;
  /**
   * Every face of the person in these frames, in order, with the number of the model's frame whose
   * mouth it gets: at a rate over the model's, several pictures show the same one.
   */
  readonly shown: ReadonlyMap<PreparedFace, number>;
}

/** Frames that stay together. Whoever has them disposes them. */
export interface VideoChunk {
  readonly frames: readonly PreparedFrame[];
  /** One for each person who is synced. */
  readonly faces: readonly FaceChunk[];
  readonly covers: Promise<FaceCovers>;
}

export function releaseChunk({ frames }: Pick<VideoChunk, "frames">): void {
  for (const { frame } of frames) frame[Symbol.dispose]();
}

export interface FaceChunkOptions {
  readonly info: ModelInfo;
  /** Drawn from here chunk by chunk, whether a chunk is denoised or was kept. */
  readonly random: NormalGenerator;
  readonly segments: SegmentStore | undefined;
  readonly painter: Pick<MouthPainter, "covers">;
  readonly signal: AbortSignal;
}

/** Numbers chunks, recalls latents that were kept, and draws random numbers in the official order. */
export async function* readFaceChunks(
  chunks: AsyncIterable<readonly PreparedFrame[]>,
  options: FaceChunkOptions,
): AsyncGenerator<VideoChunk> {
  const { info, random, painter } = options;
  let index = 0;
  for await (const frames of chunks) {
    let owned = true;
    try {
      const faces: FaceChunk[] = [];
      for (const person of peopleIn(frames)) {
        const kept = await recall(index, person.frames.length, options);
        const noise = drawChunkNoise(person.frames.length, info, random);
        faces.push({ index, ...person, noise, kept });
        index += 1;
      }
      const covers = painter.covers(faces);
      // Whoever awaits it later sees the error; until then nobody listens.
      covers.catch(() => undefined);
      owned = false;
      yield { frames, faces, covers };
    } finally {
      if (owned) releaseChunk({ frames });
    }
  }
}

interface Person {
  readonly frames: FaceFrame[];
  readonly shown: Map<PreparedFace, number>;
  lastSlot: number;
}

const newPerson = (): Person => ({ frames: [], shown: new Map(), lastSlot: -1 });

/** The faces of the frames by person, of whom the model sees the first face in each slot. */
function peopleIn(frames: readonly PreparedFrame[]): Pick<FaceChunk, "frames" | "shown">[] {
  const people = new Map<number, Person>();
  for (const { frame, faces, features, slot } of frames) {
    for (const face of faces) {
      const person: Person = people.get(face.track) ?? newPerson();
      people.set(face.track, person);
      if (slot !== person.lastSlot) {
        person.frames.push({ index: frame.index, face, speech: features });
        person.lastSlot = slot;
      }
      person.shown.set(face, person.frames.length - 1);
    }
  }
  return [...people.values()].map(({ frames: seen, shown }) => ({ frames: seen, shown }));
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
 * Consecutive chunks that can be denoised together: `limit` at most, of equally many faces. Chunks of
 * several people, and those that need no denoising, stay alone.
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

/** How many faces the UNet gets; `undefined` for a chunk that shares a batch with no other. */
function denoisedFaces({ faces }: VideoChunk): number | undefined {
  const [only] = faces;
  return faces.length !== 1 || only?.kept !== undefined ? undefined : only?.frames.length;
}

/** A batch's chunks in parts that the model takes at once: `limit` at most, of equally many faces. */
export function* modelBatches(
  batch: readonly VideoChunk[],
  limit: number,
): Generator<readonly FaceChunk[]> {
  let part: FaceChunk[] = [];
  for (const chunk of batch.flatMap(({ faces }) => faces)) {
    const [first] = part;
    const fits =
      first === undefined ||
      (part.length < limit &&
        first.frames.length === chunk.frames.length &&
        (first.kept === undefined) === (chunk.kept === undefined));
    if (!fits) {
      yield part;
      part = [];
    }
    part.push(chunk);
  }
  if (part.length > 0) yield part;
}
