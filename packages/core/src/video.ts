/**
 * The video seams. A reader gives frames of a constant rate; a writer takes the same frames back,
 * with a patch over the part that changed, so that untouched pixels need no conversion.
 * Adapters pass `videoConformance` of `@ls/testing`.
 */
import type { ImagePatch, Rectangle, RgbImage } from "./image.ts";

/** One decoded frame, upright (rotation applied). It may hold native memory until disposed. */
export interface VideoFrame extends Disposable {
  /** Position in the reader's constant-rate sequence, from 0. */
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /**
   * 8-bit RGB of the frame or of a region of it, converted with the frame's own matrix and range.
   * The result is the caller's.
   */
  toRgb(region?: Rectangle): Promise<RgbImage>;
  /** Another handle on the same picture, disposed on its own. */
  clone(): VideoFrame;
}

export interface VideoInfo {
  /** Displayed size in pixels, rotation applied. */
  readonly width: number;
  readonly height: number;
  /** Rate of the sequence that `frames` yields: 25 unless the reader was told otherwise. */
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

/** Opens a video. @throws LatentSyncError `not_found` or `invalid_media`. */
export interface VideoSource {
  open(path: string, options?: { readonly signal?: AbortSignal }): Promise<VideoReader>;
}

export interface VideoWriter extends AsyncDisposable {
  /**
   * Appends a frame with `patch`, if any, over it. Resolves when the writer can take the next one.
   * The frame stays the caller's to dispose.
   */
  write(frame: VideoFrame, patch?: ImagePatch): Promise<void>;
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
  readonly signal?: AbortSignal;
}

/** Creates outputs. @throws LatentSyncError `io`, `invalid_media` or `invalid_argument`. */
export interface VideoSink {
  create(options: VideoWriterOptions): Promise<VideoWriter>;
}
