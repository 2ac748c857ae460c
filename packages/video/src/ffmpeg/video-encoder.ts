import { LatentSyncError } from "@ls/core";
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_CODEC_ID_HEVC,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  type AVPixelFormat,
  FF_ENCODER_LIBSVTAV1,
} from "node-av/constants";
import {
  Codec,
  CodecContext,
  Dictionary,
  type Frame,
  Packet,
  Rational,
  type Stream,
} from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";
import type { Muxer } from "./muxer.ts";
import type { VideoEncoderProfile } from "./output-format.ts";

const ENCODER_HINT = "Choose another codec or preset.";
/** A keyframe at least every ten seconds at 25 frames per second: seeking stays quick. */
const MAX_KEYFRAME_DISTANCE = 250;

export interface VideoEncoderOptions {
  readonly profile: VideoEncoderProfile;
  readonly crf: number;
  readonly preset: string | undefined;
  readonly framesPerSecond: number;
}

/** The encoder named by a profile. @throws LatentSyncError `unsupported`. */
export function findEncoder(profile: VideoEncoderProfile): Codec {
  const codec = Codec.findEncoderByName(profile.encoder);
  if (codec) return codec;
  throw new LatentSyncError(
    "unsupported",
    `The FFmpeg inside node-av has no ${profile.encoder} encoder on this platform.`,
    { hint: ENCODER_HINT },
  );
}

/** Encodes frames of a constant rate into one stream of a muxer. */
export class VideoEncoder implements Disposable {
  readonly #context: CodecContext;
  readonly #packet: Packet;
  readonly #muxer: Muxer;
  readonly #stream: Stream;
  readonly #name: string;
  #frameCount = 0;

  private constructor(context: CodecContext, muxer: Muxer, stream: Stream, name: string) {
    this.#context = context;
    this.#muxer = muxer;
    this.#stream = stream;
    this.#name = name;
    this.#packet = new Packet();
    this.#packet.alloc();
  }

  /** @param like a frame such as will be encoded: its size, format and colour are the output's. */
  static async create(
    options: VideoEncoderOptions,
    like: Frame,
    muxer: Muxer,
    stream: Stream,
  ): Promise<VideoEncoder> {
    const { profile } = options;
    const codec = findEncoder(profile);
    // SVT-AV1 prints to the error stream unless its own variable says otherwise: errors only.
    if (profile.encoder === FF_ENCODER_LIBSVTAV1) process.env["SVT_LOG"] ??= "1";
    const context = new CodecContext();
    try {
      context.allocContext3(codec);
      describeStream(context, like, rationalRate(options.framesPerSecond));
      if (muxer.wantsGlobalHeader) context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
      using settings = Dictionary.fromObject(profile.options(options.crf, options.preset));
      checkResult(
        await context.open2(codec, settings),
        "invalid_argument",
        `The encoder ${profile.encoder} does not take these settings (${like.width}x${like.height}, ` +
          `crf ${options.crf}, preset ${options.preset ?? "default"})`,
        ENCODER_HINT,
      );
      stream.timeBase = context.timeBase;
      stream.avgFrameRate = context.framerate;
      stream.sampleAspectRatio = context.sampleAspectRatio;
      checkResult(
        stream.codecpar.fromContext(context),
        "unsupported",
        `The encoder ${profile.encoder} gives no stream parameters`,
        ENCODER_HINT,
      );
      // Apple's players take HEVC in MP4 only under this tag.
      if (context.codecId === AV_CODEC_ID_HEVC) stream.codecpar.codecTag = "hvc1";
      return new VideoEncoder(context, muxer, stream, profile.encoder);
    } catch (error) {
      context.freeContext();
      throw error;
    }
  }

  /** Encodes the next frame and writes what is ready. The frame stays the caller's. */
  async encode(frame: Frame): Promise<void> {
    frame.pts = BigInt(this.#frameCount);
    frame.duration = 1n;
    frame.timeBase = this.#context.timeBase;
    this.#frameCount += 1;
    await this.#send(frame);
  }

  /** Writes all that the encoder still holds. */
  async finish(): Promise<void> {
    await this.#send(null);
  }

  async #send(frame: Frame | null): Promise<void> {
    this.#check(await this.#context.sendFrame(frame));
    for (;;) {
      const result = await this.#context.receivePacket(this.#packet);
      if (result === AVERROR_EAGAIN || result === AVERROR_EOF) return;
      this.#check(result);
      if (this.#packet.duration === 0n) this.#packet.duration = 1n;
      await this.#muxer.write(this.#packet, this.#stream, this.#context.timeBase);
      this.#packet.unref();
    }
  }

  [Symbol.dispose](): void {
    this.#packet.free();
    this.#context.freeContext();
  }

  #check(result: number): void {
    checkResult(
      result,
      "runtime",
      `The encoder ${this.#name} failed at frame ${this.#frameCount}`,
      ENCODER_HINT,
    );
  }
}

function describeStream(context: CodecContext, like: Frame, rate: Rational): void {
  context.width = like.width;
  context.height = like.height;
  context.pixelFormat = like.format as AVPixelFormat;
  context.timeBase = rate.inv();
  context.framerate = rate;
  context.gopSize = MAX_KEYFRAME_DISTANCE;
  context.threadCount = 0;
  context.colorPrimaries = like.colorPrimaries;
  context.colorTrc = like.colorTrc;
  context.colorSpace = like.colorSpace;
  context.colorRange = like.colorRange;
  context.chromaLocation = like.chromaLocation;
  context.sampleAspectRatio = like.sampleAspectRatio;
}

function rationalRate(framesPerSecond: number): Rational {
  return Number.isInteger(framesPerSecond)
    ? new Rational(framesPerSecond, 1)
    : new Rational(Math.round(framesPerSecond * 1001), 1001);
}
