import { LatentSyncError } from "@ls/core";
import {
  AV_NOPTS_VALUE,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  type AVPixelFormat,
} from "node-av/constants";
import { avGetCodecName, avGetPixFmtName, type Stream } from "node-av/lib";
import { MediaInput } from "./media-input.ts";
import { exifFilters, type OrientationFilter, orientationFilters } from "./orientation.ts";
import { displayedSize } from "./square-pixels.ts";

/** What a file's headers say, without decoding it. */
export interface VideoProbe {
  /** FFmpeg's name of the container. */
  readonly container: string;
  readonly durationSeconds: number | undefined;
  readonly video: {
    readonly codec: string;
    readonly pixelFormat: string;
    /** Displayed size in square pixels, rotation applied. */
    readonly width: number;
    readonly height: number;
    /** Average rate of the file itself. */
    readonly framesPerSecond: number | undefined;
    /** Frames of the file itself, if the container counts them. */
    readonly frameCount: number | undefined;
  };
  /** Undefined if the file has no sound. */
  readonly audio:
    | { readonly codec: string; readonly sampleRateHz: number; readonly channels: number }
    | undefined;
}

/** Reads the headers of a video. @throws LatentSyncError `not_found`, `io` or `invalid_media`. */
export async function probeVideo(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<VideoProbe> {
  await using input = await MediaInput.open(path, options);
  const stream = input.bestStream(AVMEDIA_TYPE_VIDEO);
  if (!stream) {
    throw new LatentSyncError("invalid_media", `${path} has no video stream.`, {
      hint: "Give a file that has pictures.",
    });
  }
  const { duration } = input.context;
  return {
    container: input.context.iformat?.name ?? "unknown",
    durationSeconds: duration === AV_NOPTS_VALUE ? undefined : Number(duration) / 1e6,
    video: describeVideo(stream, await orientationOf(input, stream)),
    audio: describeAudio(input.bestStream(AVMEDIA_TYPE_AUDIO)),
  };
}

async function orientationOf(
  input: MediaInput,
  { codecpar }: Stream,
): Promise<readonly OrientationFilter[]> {
  const matrix = codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX) ?? undefined;
  const isImage = input.context.iformat?.name?.endsWith("_pipe") ?? false;
  return isImage && !matrix
    ? await exifFilters(input.path)
    : orientationFilters(matrix, input.path);
}

function describeVideo(
  stream: Stream,
  orientation: readonly OrientationFilter[],
): VideoProbe["video"] {
  const { codecpar, avgFrameRate, nbFrames, sampleAspectRatio } = stream;
  const turned = orientation.some(([name]) => name === "transpose");
  const aspect = sampleAspectRatio.num > 0 ? sampleAspectRatio : codecpar.sampleAspectRatio;
  const { width, height } = displayedSize({
    width: codecpar.width,
    height: codecpar.height,
    sampleAspectRatio: aspect,
  });
  return {
    codec: avGetCodecName(codecpar.codecId) ?? "unknown",
    pixelFormat: avGetPixFmtName(codecpar.format as AVPixelFormat) ?? "unknown",
    width: turned ? height : width,
    height: turned ? width : height,
    framesPerSecond: avgFrameRate.num > 0 ? avgFrameRate.toDouble() : undefined,
    frameCount: nbFrames > 0n ? Number(nbFrames) : undefined,
  };
}

function describeAudio(stream: Stream | undefined): VideoProbe["audio"] {
  if (!stream) return undefined;
  const { codecpar } = stream;
  return {
    codec: avGetCodecName(codecpar.codecId) ?? "unknown",
    sampleRateHz: codecpar.sampleRate,
    channels: codecpar.channelLayout.nbChannels,
  };
}
