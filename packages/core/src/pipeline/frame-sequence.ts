import { LatentSyncError } from "../errors.ts";
import type { VideoFrame, VideoReader } from "../video.ts";

/** Frames that are decoded together when the video runs backwards: memory against seeks. */
const REVERSE_BLOCK = 32;

/**
 * `count` frames of a video that may be shorter: it runs forward, then back, then forward again, with
 * the frame at each end twice, as the official pipeline loops. Memory does not grow with the length:
 * backward runs are decoded block by block.
 * @throws LatentSyncError `invalid_media` if the video has no frames.
 */
export async function* frameSequence(
  reader: VideoReader,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<VideoFrame> {
  let emitted = 0;
  for await (const frame of reader.frames({ end: count, signal })) {
    emitted += 1;
    yield frame;
  }
  const length = emitted;
  if (length === 0) {
    throw new LatentSyncError("invalid_media", "The video has no frames.", {
      hint: "Check the file with a player, or export it again.",
    });
  }
  while (emitted < count) {
    for await (const frame of backward(reader, length, count - emitted, signal)) {
      emitted += 1;
      yield frame;
    }
    for await (const frame of reader.frames({ end: Math.min(length, count - emitted), signal })) {
      emitted += 1;
      yield frame;
    }
  }
}

/** The last `count` frames of `length`, last one first. */
async function* backward(
  reader: VideoReader,
  length: number,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<VideoFrame> {
  const first = Math.max(0, length - count);
  for (let end = length; end > first; end -= REVERSE_BLOCK) {
    const block: VideoFrame[] = [];
    try {
      const start = Math.max(first, end - REVERSE_BLOCK);
      for await (const frame of reader.frames({ start, end, signal })) block.push(frame);
      while (block.length > 0) yield block.pop() as VideoFrame;
    } finally {
      for (const frame of block) frame[Symbol.dispose]();
    }
  }
}
