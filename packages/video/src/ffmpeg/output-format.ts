/** Which codecs go into which containers, and how the encoders are set. */
import { extname } from "node:path";
import { LatentSyncError } from "@ls/core";
import {
  FF_ENCODER_AAC,
  FF_ENCODER_FFV1,
  FF_ENCODER_LIBOPUS,
  FF_ENCODER_LIBSVTAV1,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX265,
  type FFAudioEncoder,
  type FFVideoEncoder,
} from "node-av/constants";
import type { PixelLayout } from "./pixel-layout.ts";

/** Codecs of the output's pictures; `ffv1` is lossless. */
export type VideoCodec = "av1" | "ffv1" | "h264" | "hevc" | "vp9";

export interface VideoEncoderProfile {
  /** FFmpeg's name of the encoder. */
  readonly encoder: FFVideoEncoder;
  /** Undefined where the codec is lossless. */
  readonly defaultCrf: number | undefined;
  readonly maxCrf: number;
  /** Whether 4:2:0 pictures need even sides. */
  readonly evenSides: boolean;
  /** FFmpeg's name of the pixel format for a source; undefined = the source's own. */
  pixelFormat(source: PixelLayout): string | undefined;
  options(crf: number, preset: string | undefined): Readonly<Record<string, string | number>>;
}

function eightOrTenBit(source: PixelLayout): string {
  return source.bits > 8 ? "yuv420p10le" : "yuv420p";
}

export const VIDEO_ENCODERS: Readonly<Record<VideoCodec, VideoEncoderProfile>> = {
  h264: {
    encoder: FF_ENCODER_LIBX264,
    defaultCrf: 18,
    maxCrf: 51,
    evenSides: true,
    // 8 bit 4:2:0 always: 10 bit or 4:4:4 H.264 plays in few places. HEVC and AV1 keep 10 bit.
    pixelFormat: () => "yuv420p",
    // Against x264's own "medium" on 1080p footage at crf 18: 0.7 of the CPU time, 140 MB less
    // memory, SSIM 0.9929 instead of 0.9936 in a file 2 % smaller.
    options: (crf, preset) => ({
      crf,
      preset: preset ?? "faster",
      // So that the same frames give the same file. x264's AVX-512 code for macroblock trees does
      // not at widths such as 480, on one thread even. Costs no measurable time at 1080p.
      "x264-params": "cpu-independent=1",
    }),
  },
  hevc: {
    encoder: FF_ENCODER_LIBX265,
    defaultCrf: 20,
    maxCrf: 51,
    evenSides: true,
    pixelFormat: eightOrTenBit,
    options: (crf, preset) => ({
      crf,
      preset: preset ?? "medium",
      "x265-params": "log-level=none",
    }),
  },
  av1: {
    encoder: FF_ENCODER_LIBSVTAV1,
    defaultCrf: 24,
    maxCrf: 63,
    evenSides: true,
    pixelFormat: eightOrTenBit,
    options: (crf, preset) => ({ crf, preset: preset ?? "8" }),
  },
  vp9: {
    encoder: FF_ENCODER_LIBVPX_VP9,
    defaultCrf: 24,
    maxCrf: 63,
    evenSides: false,
    pixelFormat: eightOrTenBit,
    options: (crf, preset) => ({
      crf,
      b: 0,
      "row-mt": 1,
      "cpu-used": 4,
      deadline: preset ?? "good",
    }),
  },
  ffv1: {
    encoder: FF_ENCODER_FFV1,
    defaultCrf: undefined,
    maxCrf: 0,
    evenSides: false,
    pixelFormat: () => undefined,
    options: () => ({ level: 3 }),
  },
};

export interface Container {
  /** FFmpeg's name of the muxer. */
  readonly muxer: "matroska" | "mov" | "mp4" | "webm";
  readonly videoCodecs: readonly VideoCodec[];
  /** FFmpeg's names of sound codecs that are copied as they are. */
  readonly copiedSound: readonly string[];
  /** Encoder for all other sound. */
  readonly soundEncoder: FFAudioEncoder;
}

const MP4: Container = {
  muxer: "mp4",
  videoCodecs: ["h264", "hevc", "av1", "vp9"],
  copiedSound: ["aac", "mp3", "ac3", "eac3", "alac"],
  soundEncoder: FF_ENCODER_AAC,
};

const CONTAINERS: Readonly<Record<string, Container>> = {
  ".mp4": MP4,
  ".m4v": MP4,
  ".mov": {
    muxer: "mov",
    videoCodecs: ["h264", "hevc"],
    copiedSound: ["aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"],
    soundEncoder: FF_ENCODER_AAC,
  },
  ".mkv": {
    muxer: "matroska",
    videoCodecs: ["h264", "hevc", "av1", "vp9", "ffv1"],
    copiedSound: [
      "aac",
      "mp3",
      "ac3",
      "eac3",
      "flac",
      "opus",
      "vorbis",
      "pcm_s16le",
      "pcm_s24le",
      "pcm_f32le",
    ],
    soundEncoder: FF_ENCODER_AAC,
  },
  ".webm": {
    muxer: "webm",
    videoCodecs: ["av1", "vp9"],
    copiedSound: ["opus", "vorbis"],
    soundEncoder: FF_ENCODER_LIBOPUS,
  },
};

/**
 * The container that a file name asks for.
 * @throws LatentSyncError `invalid_argument` if it is unknown or cannot hold the codec.
 */
export function containerFor(path: string, codec: VideoCodec): Container {
  const extension = extname(path).toLowerCase();
  const container = CONTAINERS[extension];
  if (!container) {
    throw new LatentSyncError(
      "invalid_argument",
      `The output ${path} must end in one of ${Object.keys(CONTAINERS).join(", ")}.`,
      { hint: "Name the output with .mp4 unless you need another container." },
    );
  }
  if (!container.videoCodecs.includes(codec)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The output ${path} cannot hold ${codec}: ${extension} takes ${container.videoCodecs.join(", ")}.`,
      { hint: "Choose another codec or another file extension." },
    );
  }
  return container;
}
