/** One pass over a video that finds the faces of every frame and keeps no frame. */
import type { Face, FaceDetector } from "../face.ts";
import { prefetch } from "../pipeline/prefetch.ts";
import { traced, tracedItems } from "../pipeline/tracing.ts";
import type { Tracer } from "../trace.ts";
import type { VideoFrame, VideoReader } from "../video.ts";
import { type PictureSketch, sketch } from "./picture-sketch.ts";

/** Frames that are decoded while faces are looked for in the one before. */
const DECODED_AHEAD = 2;

export interface ScannedFrame {
  readonly index: number;
  readonly timeSeconds: number;
  readonly faces: readonly Face[];
  readonly picture: PictureSketch;
}

export interface FaceScanOptions {
  readonly reader: VideoReader;
  readonly detector: FaceDetector;
  /** Frames of the video, at most. */
  readonly end: number;
  readonly tracer: Tracer | undefined;
  readonly signal: AbortSignal;
}

export async function* scanFaces(options: FaceScanOptions): AsyncGenerator<ScannedFrame> {
  const { reader, detector, end, tracer, signal } = options;
  const decoded = tracedItems(tracer, "decode ahead", reader.frames({ end, signal }));
  for await (const next of prefetch(decoded, DECODED_AHEAD, (frame) => frame[Symbol.dispose]())) {
    using frame = next;
    signal.throwIfAborted();
    const { index, timeSeconds } = frame;
    const picture = await sketch(frame);
    const faces = await traced(
      tracer,
      { track: "detect", name: "detect", details: { frame: index } },
      () => detector.detect(frame satisfies VideoFrame, index, { signal }),
    );
    yield { index, timeSeconds, faces: faces.filter(isSound), picture };
  }
}

/** A detection whose numbers are none would spoil its whole track. */
function isSound({ box, points }: Face): boolean {
  return [...points.flat(), box.x, box.y, box.width, box.height].every(Number.isFinite);
}
