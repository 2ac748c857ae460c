/** Spreads batches of chunks over the lanes, and brings what they make back into order. */
import { type FaceChunk, modelBatches, releaseChunk, type VideoChunk } from "./face-chunks.ts";
import type { LanePool, LaneSlot } from "./lane-pool.ts";
import { prefetch } from "./prefetch.ts";

/** What the model made of each chunk: `[3, R, R]` float32 for each of its frames. */
export type GeneratedFaces = ReadonlyMap<FaceChunk, readonly Float32Array[]>;

/** Chunks whose faces are being made. Whoever has it disposes the frames. */
interface StartedBatch {
  readonly batch: readonly VideoChunk[];
  readonly faces: Promise<GeneratedFaces>;
}

/** Chunks with their new faces. Whoever has them disposes the frames. */
export interface SyncedBatch {
  readonly batch: readonly VideoChunk[];
  readonly faces: GeneratedFaces;
}

export interface SpreadOptions {
  readonly lanes: LanePool;
  /** Batches that are begun ahead of the one that the consumer waits for. */
  readonly ahead: number;
  /** Chunks that a device takes at once, at most. */
  readonly chunksPerBatch: number;
  readonly signal: AbortSignal;
}

/**
 * The batches in order, each as soon as it is complete. When one fails, the others are stopped within
 * one network's run, and the consumer gets the failure at once.
 */
export async function* synchronizeBatches(
  batches: AsyncIterable<readonly VideoChunk[]>,
  options: SpreadOptions,
): AsyncGenerator<SyncedBatch> {
  const started = prefetch(startBatches(batches, options), options.ahead, ({ batch }) =>
    batch.forEach(releaseChunk),
  );
  for await (const { batch, faces } of started) {
    let owned = true;
    try {
      const made = await faces;
      owned = false;
      yield { batch, faces: made };
    } finally {
      if (owned) batch.forEach(releaseChunk);
    }
  }
}

async function* startBatches(
  batches: AsyncIterable<readonly VideoChunk[]>,
  options: SpreadOptions,
): AsyncGenerator<StartedBatch> {
  const { lanes, chunksPerBatch } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const working = new Set<Promise<unknown>>();
  let complete = false;
  try {
    for await (const batch of batches) {
      let owned = true;
      try {
        const slot = await lanes.acquire(signal);
        const faces = generate([...modelBatches(batch, chunksPerBatch)], slot, signal);
        working.add(faces);
        // Whoever waits for another batch must not wait any longer.
        faces.then(
          () => working.delete(faces),
          (error: unknown) => stop.abort(error),
        );
        owned = false;
        yield { batch, faces };
      } finally {
        if (owned) batch.forEach(releaseChunk);
      }
    }
    complete = true;
  } catch (error) {
    stop.abort(error);
    throw error;
  } finally {
    if (!complete) stop.abort();
    // Nothing may run on a device when the run is over.
    await Promise.allSettled(working);
  }
}

async function generate(
  parts: readonly (readonly FaceChunk[])[],
  slot: LaneSlot,
  signal: AbortSignal,
): Promise<GeneratedFaces> {
  using lent = slot;
  const generated = new Map<FaceChunk, readonly Float32Array[]>();
  for (const part of parts) {
    const faces = await lent.lane.generate(part, signal);
    for (const [position, chunk] of part.entries()) {
      generated.set(chunk, faces[position] as readonly Float32Array[]);
    }
  }
  return generated;
}
