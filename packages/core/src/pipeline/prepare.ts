/** From video frames to frames with aligned faces and their speech. */
import { LatentSyncError } from "../errors.ts";
import type { AlignedFace, FaceAligner } from "../face.ts";
import type { Tracer } from "../trace.ts";
import type { VideoFrame } from "../video.ts";
import type { FaceLocator, LocatedFace, LocatedFaces } from "./face-locator.ts";
import { type PlaybackOptions, type PlayedFrame, playVideo } from "./playback.ts";
import { prefetch } from "./prefetch.ts";
import type { HeardFrame, SpeechTrack } from "./speech-track.ts";
import { traced, tracedItems } from "./tracing.ts";

/** A face of a frame. */
export interface PreparedFace extends AlignedFace {
  /** The same number in every frame that shows the person. */
  readonly track: number;
}

export interface PreparedFrame extends PlayedFrame, HeardFrame {
  /** Those that are synced; none: the frame passes through unchanged. */
  readonly faces: readonly PreparedFace[];
  /** Whether there are faces, even if they stay as they are. */
  readonly showsFace: boolean;
  /** `undefined` where no face tells. */
  readonly shot: number | undefined;
}

/** Frames that are decoded while a face is looked for in the frame before them. */
const DECODED_AHEAD = 2;
/** Frames whose faces are being warped at the same time. */
const CONCURRENT_ALIGNMENTS = 4;
/** Frames in memory, at most, that are not yet in a chunk. */
export const FRAMES_IN_PREPARATION: number = DECODED_AHEAD + CONCURRENT_ALIGNMENTS + 4;

export interface PrepareOptions extends PlaybackOptions {
  readonly locator: FaceLocator;
  readonly aligner: FaceAligner;
  readonly speech: SpeechTrack;
  /** A frame without a face is an error, as in the official pipeline, instead of passing through. */
  readonly requireFaces: boolean;
  readonly tracer: Tracer | undefined;
}

/** Prepared frames in output order. The consumer disposes their frames. */
export async function* prepareFrames(options: PrepareOptions): AsyncGenerator<PreparedFrame> {
  const preparing = prefetch(startPreparing(options), CONCURRENT_ALIGNMENTS, releasePreparing);
  for await (const { result } of preparing) yield await result;
}

/** Wrapped, because an async generator would await a bare promise. */
interface Preparing {
  readonly result: Promise<PreparedFrame>;
}

function releasePreparing({ result }: Preparing): void {
  result.then(releaseFrame, () => undefined);
}

async function* startPreparing(options: PrepareOptions): AsyncGenerator<Preparing> {
  const { locator, speech, requireFaces, tracer, signal } = options;
  const decoded = tracedItems(tracer, "decode", playVideo(options));
  for await (const played of prefetch(decoded, DECODED_AHEAD, releaseFrame)) {
    let owned = true;
    try {
      signal.throwIfAborted();
      const heard = await traced(tracer, { track: "speech", name: "features" }, () =>
        speech.at(played.slot),
      );
      const located = await locator.locate(played.frame);
      if (requireFaces && located.faces.length === 0) throw noFace(played.frame.index);
      owned = false;
      const result = alignFaces(options, { played, heard, located });
      // Whoever awaits it later sees the error; until then nobody listens.
      result.catch(() => undefined);
      yield { result };
    } finally {
      if (owned) releaseFrame(played);
    }
  }
}

function noFace(frame: number): LatentSyncError {
  return new LatentSyncError("no_face", `No face was found in frame ${frame} of the video.`, {
    hint: 'Such frames pass through unchanged with framesWithoutFace "pass", that is, without --compat.',
  });
}

function releaseFrame({ frame }: PlayedFrame): void {
  frame[Symbol.dispose]();
}

interface FrameToAlign {
  readonly played: PlayedFrame;
  readonly heard: HeardFrame;
  readonly located: LocatedFaces;
}

async function alignFaces(
  options: PrepareOptions,
  { played, heard, located }: FrameToAlign,
): Promise<PreparedFrame> {
  const { faces: found, shot } = located;
  try {
    const synced = heard.strength === 0 ? [] : found;
    const faces = await Promise.all(synced.map((face) => alignFace(options, played.frame, face)));
    return { ...played, ...heard, faces, showsFace: found.length > 0, shot };
  } catch (error) {
    releaseFrame(played);
    throw error;
  }
}

function alignFace(
  { aligner, tracer, signal }: PrepareOptions,
  frame: VideoFrame,
  { track, matrix }: LocatedFace,
): Promise<PreparedFace> {
  const details = { frame: frame.index };
  return traced(tracer, { track: "align", name: "align", details }, async () => {
    const region = aligner.region(matrix, frame.width, frame.height);
    const background = { x: region.x, y: region.y, ...(await frame.toRgb(region)) };
    return { track, ...(await aligner.align(background, matrix, { signal })) };
  });
}
