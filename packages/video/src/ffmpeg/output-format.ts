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
  FF_ENCODER_PRORES_KS,
  type FFAudioEncoder,
  type FFVideoEncoder,
} from "node-av/constants";
import { contentLight, type HdrMetadata, masteringDisplay } from "./hdr-metadata.ts";
import { hasFullChroma, type PixelLayout } from "./pixel-layout.ts";

/** Codecs of the output's pictures; `ffv1` is lossless. */
export type VideoCodec = "av1" | "ffv1" | "h264" | "hevc" | "prores" | "vp9";

/** What an encoder is set for. */
export interface EncoderRequest {
  readonly crf: number;
  readonly preset: string | undefined;
  /** Of the pictures that it gets, in pixels. */
  readonly width: number;
  readonly height: number;
  /** FFmpeg's name of the format of the pictures that it gets. */
  readonly pixelFormat: string;
  readonly hdr: HdrMetadata;
}

export interface VideoEncoderProfile {
  /** FFmpeg's name of the encoder. */
  readonly encoder: FFVideoEncoder;
  /** Undefined where there is none to choose. */
  readonly defaultCrf: number | undefined;
  readonly maxCrf: number;
  /** Whether 4:2:0 pictures need even sides. */
  readonly evenSides: boolean;
  /** Smaller pictures make the encoder hang or write past its memory; undefined where none do. */
  readonly leastSize?: { readonly width: number; readonly height: number };
  /** FFmpeg's name of the pixel format for a source; undefined = the source's own. */
  pixelFormat(source: PixelLayout, container: Container): string | undefined;
  options(request: EncoderRequest): Readonly<Record<string, string | number>>;
}

/** Side of the blocks that x265 codes by, unless its preset is a very fast one. */
const X265_BLOCK = 64;

function eightOrTenBit(source: PixelLayout): string {
  return source.bits > 8 ? "yuv420p10le" : "yuv420p";
}

function proresFormat(source: PixelLayout): string {
  if (source.alpha) return "yuva444p10le";
  return hasFullChroma(source) ? "yuv444p10le" : "yuv422p10le";
}

/** So that the same frames give the same file: pictures of one row or column of blocks do not. */
function x265Blocks(width: number, height: number): string {
  return Math.min(width, height) > X265_BLOCK ? "" : ":ctu=16";
}

/** HDR metadata in x265's words and units. */
function x265Hdr(hdr: HdrMetadata): string {
  const display = masteringDisplay(hdr);
  const light = contentLight(hdr);
  const point = ([x, y]: readonly [number, number]): string =>
    `(${Math.round(x * 50_000)},${Math.round(y * 50_000)})`;
  const luminance = (value: number): number => Math.round(value * 10_000);
  const parts: string[] = [];
  if (display) {
    const { green, blue, red, white, maximum, minimum } = display;
    parts.push(
      `:master-display=G${point(green)}B${point(blue)}R${point(red)}WP${point(white)}` +
        `L(${luminance(maximum)},${luminance(minimum)})`,
    );
  }
  if (light) parts.push(`:max-cll=${light.maximum},${light.average}`);
  return parts.join("");
}

/** HDR metadata in SVT-AV1's words. */
function svtHdr(hdr: HdrMetadata): string {
  const display = masteringDisplay(hdr);
  const light = contentLight(hdr);
  const point = ([x, y]: readonly [number, number]): string => `(${x.toFixed(5)},${y.toFixed(5)})`;
  const parts: string[] = [];
  if (display) {
    const { green, blue, red, white, maximum, minimum } = display;
    parts.push(
      `mastering-display=G${point(green)}B${point(blue)}R${point(red)}WP${point(white)}` +
        `L(${maximum.toFixed(4)},${minimum.toFixed(4)})`,
    );
  }
  if (light) parts.push(`content-light=${light.maximum},${light.average}`);
  return parts.join(":");
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
    options: ({ crf, preset }) => ({
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
    // Up to a width of 48 x265 4.1 writes past the end of a buffer; two rows of blocks must fit in.
    leastSize: { width: X265_BLOCK, height: 32 },
    pixelFormat: eightOrTenBit,
    options: ({ crf, preset, hdr, width, height }) => ({
      crf,
      preset: preset ?? "medium",
      "x265-params": `log-level=none${x265Blocks(width, height)}${x265Hdr(hdr)}`,
    }),
  },
  av1: {
    encoder: FF_ENCODER_LIBSVTAV1,
    defaultCrf: 24,
    maxCrf: 63,
    evenSides: true,
    // SVT-AV1 3.1 waits for ever for pictures of, for instance, 24x64 and 130x18.
    leastSize: { width: 32, height: 32 },
    pixelFormat: eightOrTenBit,
    options: ({ crf, preset, hdr }) => {
      const hdrSettings = svtHdr(hdr);
      const settings = { crf, preset: preset ?? "8" };
      return hdrSettings === "" ? settings : { ...settings, "svtav1-params": hdrSettings };
    },
  },
  vp9: {
    encoder: FF_ENCODER_LIBVPX_VP9,
    defaultCrf: 24,
    maxCrf: 63,
    evenSides: false,
    // Its transparency is a stream of 8 bit beside the pictures, which MP4 has no place for.
    pixelFormat: (source, { muxer }) =>
      source.alpha && muxer !== "mp4" ? "yuva420p" : eightOrTenBit(source),
    options: ({ crf, preset }) => ({
      crf,
      b: 0,
      "row-mt": 1,
      "cpu-used": 4,
      deadline: preset ?? "good",
    }),
  },
  prores: {
    encoder: FF_ENCODER_PRORES_KS,
    defaultCrf: undefined,
    maxCrf: 0,
    evenSides: true,
    pixelFormat: proresFormat,
    // Apple's programs want to know who made it.
    options: ({ pixelFormat }) => ({
      profile: pixelFormat === "yuv422p10le" ? "hq" : "4444",
      vendor: "apl0",
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
    videoCodecs: ["h264", "hevc", "prores"],
    copiedSound: ["aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"],
    soundEncoder: FF_ENCODER_AAC,
  },
  ".mkv": {
    muxer: "matroska",
    videoCodecs: ["h264", "hevc", "av1", "vp9", "prores", "ffv1"],
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
      { hint: `For ${codec} name the output with ${extensionsFor(codec).join(" or ")}.` },
    );
  }
  return container;
}

function extensionsFor(codec: VideoCodec): readonly string[] {
  const extensions = Object.entries(CONTAINERS);
  return extensions.flatMap(([name, { videoCodecs }]) => (videoCodecs.includes(codec) ? name : []));
}

/** MPEG-2.5's rates, which FFmpeg does not write into MP4. */
const LEAST_MP3_RATE_HZ = 16_000;

/** Whether a container takes sound as it is. @param codec FFmpeg's name. */
export function copiesSound(
  { muxer, copiedSound }: Container,
  codec: string,
  sampleRateHz: number,
): boolean {
  if (muxer === "mp4" && codec === "mp3" && sampleRateHz < LEAST_MP3_RATE_HZ) return false;
  return copiedSound.includes(codec);
}

/** What a codec leaves out of its source's pictures, for people; `undefined` if nothing. */
export function describeLoss(
  codec: VideoCodec,
  source: PixelLayout,
  output: PixelLayout,
): string | undefined {
  const losses: string[] = [];
  if (source.bits > output.bits) losses.push(`${output.bits} of ${source.bits} bits a colour`);
  if (source.alpha && !output.alpha) losses.push("no transparency");
  return losses.length === 0 ? undefined : `The ${codec} output keeps ${losses.join(" and ")}.`;
}
