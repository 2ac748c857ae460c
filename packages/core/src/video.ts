/**
 * The video seams. A reader gives frames, of a constant rate or as they are in the file; a writer
 * takes the same frames back, with patches over what changed, so that untouched pixels need no
 * conversion.
 * Adapters pass `videoConformance` of `@ls/testing`.
 */
import type { ImagePatch, Rectangle, RgbImage } from "./image.ts";

/** One decoded frame, upright (rotation applied). It may hold native memory until disposed. */
export interface VideoFrame extends Disposable {
  /** Position in the reader's sequence, from 0. */
  readonly index: number;
  /** When it is shown, from the sequence's start on. */
  readonly timeSeconds: number;
  readonly width: number;
  readonly height: number;
  /**
   * 8-bit RGB of the frame or of a region of it, converted with the frame's own matrix and range.
   * The result is the caller's.
   */
  toRgb(region?: Rectangle): Promise<RgbImage>;
  /**
   * A coarse grey copy, `[rows, columns]` from 0, black, to 255, where the frame has it cheaper than
   * by `toRgb`: for noticing cuts.
   */
  greys?(columns: number, rows: number): Uint8Array;
  /** Another handle on the same picture, disposed on its own. */
  clone(): VideoFrame;
}

export interface VideoInfo {
  /** Displayed size in pixels, rotation applied. */
  readonly width: number;
  readonly height: number;
  /** Rate of the sequence that `frames` yields; the mean one where it varies. */
  readonly framesPerSecond: number;
  /** Frames of the sequence, if the container tells; an estimate. */
  readonly estimatedFrameCount: number | undefined;
  /** Codec, pixel format and colour description in FFmpeg's names, for people to read. */
  readonly description: string;
}

export interface VideoReader extends AsyncDisposable {
  readonly info: VideoInfo;
  /**
   * Frames from `start` (default 0) up to, not including, `end` (default: the end), in order.
   * May be called again at any time; only one iteration at a time is under way. The consumer
   * disposes each frame. Memory is bounded whatever the range.
   */
  frames(options?: {
    readonly start?: number;
    readonly end?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<VideoFrame>;
}

/** Which frames of a video a reader gives. */
export interface VideoReadOptions {
  /**
   * A constant rate that the video is brought to by repeating and leaving out frames, so that each
   * shows the picture that is nearest to it in time; or `source`: every frame once, at its own time.
   * Default 25, the rate of the model.
   */
  readonly framesPerSecond?: number | "source";
  /** Part of the video, in seconds of its time; frame 0 is then the first one from `startSeconds` on. */
  readonly startSeconds?: number;
  readonly endSeconds?: number;
  readonly signal?: AbortSignal;
}

/** Opens a video. @throws LatentSyncError `not_found`, `invalid_media` or `invalid_argument`. */
export interface VideoSource {
  open(path: string, options?: VideoReadOptions): Promise<VideoReader>;
}

export interface VideoWriter extends AsyncDisposable {
  /**
   * Appends a frame with patches over it, later ones over earlier ones. Resolves when the writer can
   * take the next one. The frame stays the caller's to dispose.
   * @param timeSeconds when it is shown, later than the one before. Default: the source's constant
   *   rate goes on.
   */
  write(frame: VideoFrame, patches?: readonly ImagePatch[], timeSeconds?: number): Promise<void>;
  /** Ends the stream, adds the sound and puts the finished file in place, atomically. */
  finish(): Promise<void>;
  /** Without `finish`: removes everything that was written. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface VideoWriterOptions {
  /** Where the finished file appears. */
  readonly path: string;
  /** The source, whose rate, size and colour description the output keeps. */
  readonly source: VideoReader;
  /** File whose sound becomes the output's, cut to the length of the pictures. */
  readonly audioPath: string;
  /** Tags of the output file, by FFmpeg's names, such as `comment`. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Creates outputs. @throws LatentSyncError `io`, `invalid_media` or `invalid_argument`. */
export interface VideoSink {
  create(options: VideoWriterOptions): Promise<VideoWriter>;
}
