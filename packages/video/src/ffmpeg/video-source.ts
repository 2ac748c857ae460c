import { LatentSyncError, type VideoReader, type VideoSource } from "@ls/core";
import { type HardwareAcceleration, VideoHardware } from "./hardware.ts";
import { FfmpegVideoReader } from "./video-reader.ts";

export interface FfmpegVideoSourceOptions {
  /** Constant rate that frames are brought to, as `ffmpeg -r` does. Default 25. */
  readonly framesPerSecond?: number;
  /** Decoder threads; default one per core. */
  readonly threads?: number;
  /**
   * Decodes 8-bit 4:2:0 video on a device where there is one; software takes over where it fails.
   * Default `none`.
   */
  readonly hardware?: HardwareAcceleration;
  /** Called with a line for people when software takes over. */
  readonly onNotice?: (message: string) => void;
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
  const hardware = new VideoHardware({
    acceleration: options.hardware ?? "none",
    onNotice: options.onNotice,
  });
  return {
    open: (path, { signal } = {}): Promise<VideoReader> =>
      FfmpegVideoReader.open(path, { framesPerSecond, threads, hardware, signal }),
  };
}
