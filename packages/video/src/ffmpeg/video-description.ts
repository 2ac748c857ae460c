/** What a reader says of its video, and where the frames of it go. */
import type { VideoInfo } from "@ls/core";
import type { AVPixelFormat } from "node-av/constants";
import { avGetCodecName, avGetPixFmtName, type Frame } from "node-av/lib";
import { describeColour } from "./colour.ts";
import { ConstantRate, type FramePlacement, SourceTimes } from "./frame-placement.ts";
import { rateFraction } from "./frame-rate.ts";
import { FrameSelection } from "./frame-selection.ts";
import type { TimeRange } from "./frame-timeline.ts";
import { framesWithin, NearestFrames } from "./nearest-frames.ts";
import { displayedSize, isSquare } from "./square-pixels.ts";
import type { VideoDecoder } from "./video-decoder.ts";

/** Gaps that are filled with copies, for containers whose times may jump, and for others. */
const MAX_JUMP_SECONDS = 10;
const MAX_GAP_SECONDS = 600;
/** Rate of pictures whose file tells none. */
const DEFAULT_RATE = 25;

/**
 * Which pictures the frames of a constant rate show: those that are nearest in time, or those that
 * `ffmpeg -r` shows, which come up to two frames late.
 */
export type RateConversion = "nearest" | "ffmpeg";

export interface Sequence extends TimeRange {
  readonly framesPerSecond: number | "source";
  readonly rateConversion: RateConversion;
}

/** Rate of the sequence; that of the file, on the whole, for `source`. */
export function meanRate(
  { stream, durationSeconds }: VideoDecoder,
  framesPerSecond: number | "source",
): number {
  if (framesPerSecond !== "source") {
    const { num, den } = rateFraction(framesPerSecond);
    return num / den;
  }
  const { nbFrames, avgFrameRate } = stream;
  if (avgFrameRate.num > 0 && avgFrameRate.den > 0) return avgFrameRate.toDouble();
  if (nbFrames > 0n && durationSeconds !== undefined) return Number(nbFrames) / durationSeconds;
  return DEFAULT_RATE;
}

/** Where decoded frames go. @param rate of the sequence. */
export function placementFor(
  decoder: VideoDecoder,
  { framesPerSecond, rateConversion, startSeconds = 0 }: Sequence,
  rate: number,
): FramePlacement {
  const options = {
    startAtFirstFrame: decoder.isOnlyStream && startSeconds === 0,
    maxGapSeconds: decoder.mayJump ? MAX_JUMP_SECONDS : MAX_GAP_SECONDS,
  };
  if (framesPerSecond === "source") return new SourceTimes(options);
  if (rateConversion === "nearest") {
    const tickSeconds = decoder.stream.timeBase.toDouble();
    return new NearestFrames({ ...options, framesPerSecond: rate, tickSeconds });
  }
  return new ConstantRate(new FrameSelection({ framesPerSecond: rate, ...options }), rate);
}

/** @param native the first frame, upright. */
export function describeVideo(decoder: VideoDecoder, native: Frame, sequence: Sequence): VideoInfo {
  const { codecpar } = decoder.stream;
  const framesPerSecond = meanRate(decoder, sequence.framesPerSecond);
  const { num, den } = native.sampleAspectRatio;
  const size = displayedSize(native);
  const parts = [
    avGetCodecName(codecpar.codecId) ?? "unknown codec",
    avGetPixFmtName(native.format as AVPixelFormat) ?? "unknown format",
    describeColour(native),
  ];
  if (!isSquare(native)) {
    parts.push(`stored as ${native.width}x${native.height} with pixels of ${num}:${den}`);
  }
  if (decoder.deinterlaces) parts.push("deinterlaced");
  return {
    ...size,
    framesPerSecond,
    estimatedFrameCount: estimateFrames(decoder, sequence, framesPerSecond),
    description: parts.join(", "),
  };
}

function estimateFrames(
  { durationSeconds, isStill, stream }: VideoDecoder,
  { framesPerSecond, rateConversion, startSeconds = 0, endSeconds = Infinity }: Sequence,
  rate: number,
): number | undefined {
  if (isStill) return 1;
  const whole = startSeconds === 0 && endSeconds === Infinity;
  if (whole && framesPerSecond === "source" && stream.nbFrames > 0n) return Number(stream.nbFrames);
  const end = Math.min(durationSeconds ?? Infinity, endSeconds);
  if (end === Infinity) return undefined;
  const seconds = end - startSeconds;
  if (framesPerSecond !== "source" && rateConversion === "nearest") {
    return framesWithin(seconds, rate);
  }
  return Math.max(1, Math.round(seconds * rate));
}
