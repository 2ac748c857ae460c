import { LatentSyncError, type VideoReader, type VideoSource } from "@ls/core";
import { FfmpegVideoReader } from "./video-reader.ts";

export interface FfmpegVideoSourceOptions {
  /** Constant rate that frames are brought to, as `ffmpeg -r` does. Default 25. */
  readonly framesPerSecond?: number;
  /** Decoder threads; default one per core. */
  readonly threads?: number;
}

/**
 * Videos of any container and codec that the FFmpeg inside `node-av` reads, from local files only.
 * Frames are upright and keep the file's pixel format (10 bit too) until `toRgb`.
 */
export function createFfmpegVideoSource(options: FfmpegVideoSourceOptions = {}): VideoSource {
  const framesPerSecond = options.framesPerSecond ?? 25;
  const threads = options.threads ?? 0;
  if (!(framesPerSecond > 0 && framesPerSecond <= 1000)) {
    throw new LatentSyncError(
      "invalid_argument",
      `framesPerSecond must be over 0 and at most 1000, but is ${framesPerSecond}.`,
    );
  }
  if (!Number.isInteger(threads) || threads < 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `threads must be a whole number from 0 on, but is ${threads}.`,
    );
  }
  return {
    open: (path, { signal } = {}): Promise<VideoReader> =>
      FfmpegVideoReader.open(path, { framesPerSecond, threads, signal }),
  };
}
