import {
  LatentSyncError,
  type VideoReader,
  type VideoReadOptions,
  type VideoSource,
} from "@ls/core";
import { type HardwareAcceleration, VideoHardware } from "./hardware.ts";
import type { RateConversion } from "./video-description.ts";
import { FfmpegVideoReader } from "./video-reader.ts";

export interface FfmpegVideoSourceOptions {
  /** What `open` takes where it is not told: a constant rate, or `source`. Default 25. */
  readonly framesPerSecond?: number | "source";
  /**
   * How frames are brought to a constant rate: each shows the picture that is nearest to it in time,
   * or the one that `ffmpeg -r` shows, as in the official pipeline; pictures then come late, by up to
   * two frames. Default `nearest`.
   */
  readonly rateConversion?: RateConversion;
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
 * Frames are upright and keep the file's pixel format (10 bit and alpha too) until `toRgb`. Interlaced
 * ones are deinterlaced, one frame of two fields; others pass bit for bit. A still image is a video of
 * one frame. Sizes and RGB are in square pixels: where the stored ones are not, the picture is filled
 * in along their longer side. HDR is not tone-mapped.
 */
export function createFfmpegVideoSource(options: FfmpegVideoSourceOptions = {}): VideoSource {
  const framesPerSecond = options.framesPerSecond ?? 25;
  const { threads = 0, rateConversion = "nearest" } = options;
  checkRate(framesPerSecond);
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
    open: async (path, request = {}): Promise<VideoReader> => {
      checkRequest(request);
      const shared = { framesPerSecond, rateConversion, threads, hardware, signal: undefined };
      return await FfmpegVideoReader.open(path, { ...shared, ...request });
    },
  };
}

function checkRate(framesPerSecond: number | "source"): void {
  if (framesPerSecond === "source" || (framesPerSecond > 0 && framesPerSecond <= 1000)) return;
  throw new LatentSyncError(
    "invalid_argument",
    `framesPerSecond must be over 0 and at most 1000, or "source", but is ${framesPerSecond}.`,
  );
}

function checkRequest(request: VideoReadOptions): void {
  const { framesPerSecond = "source", startSeconds = 0, endSeconds = Infinity } = request;
  checkRate(framesPerSecond);
  if (startSeconds >= 0 && Number.isFinite(startSeconds) && endSeconds > startSeconds) return;
  throw new LatentSyncError(
    "invalid_argument",
    `A part of a video needs a start from 0 s on and a later end, but is ${startSeconds} s to ${endSeconds} s.`,
    { hint: "Leave the end out to read to the end of the video." },
  );
}
