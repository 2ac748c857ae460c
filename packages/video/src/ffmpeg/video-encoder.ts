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
import {
  createFrameUpload,
  type FrameUpload,
  type HardwareEncoderProfile,
} from "./hardware-encoders.ts";
import type { HardwareDevice } from "./hardware.ts";
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

interface DeviceEncoderOptions {
  readonly profile: HardwareEncoderProfile;
  readonly device: HardwareDevice;
  readonly crf: number;
  readonly framesPerSecond: number;
}

interface OpenRequest {
  readonly codec: Codec;
  readonly settings: Readonly<Record<string, string | number>>;
  /** What was asked for, for people. */
  readonly description: string;
  readonly framesPerSecond: number;
  readonly upload?: FrameUpload;
}

/** The encoder named by a profile. @throws LatentSyncError `unsupported`. */
export function findEncoder(profile: Pick<VideoEncoderProfile, "encoder">): Codec {
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
  readonly #upload: FrameUpload | undefined;
  #device: HardwareDevice | undefined;
  #frameCount = 0;

  private constructor(
    context: CodecContext,
    output: {
      readonly muxer: Muxer;
      readonly stream: Stream;
      readonly name: string;
      readonly upload: FrameUpload | undefined;
    },
  ) {
    this.#context = context;
    this.#muxer = output.muxer;
    this.#stream = output.stream;
    this.#name = output.name;
    this.#upload = output.upload;
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
    const { profile, crf, preset, framesPerSecond } = options;
    // SVT-AV1 prints to the error stream unless its own variable says otherwise: errors only.
    if (profile.encoder === FF_ENCODER_LIBSVTAV1) process.env["SVT_LOG"] ??= "1";
    const settings = profile.options(crf, preset);
    const description = `${like.width}x${like.height}, crf ${crf}, preset ${preset ?? "default"}`;
    const request = { codec: findEncoder(profile), settings, description, framesPerSecond };
    return await VideoEncoder.#open(request, like, muxer, stream);
  }

  /** As {@link create}, on a device, which is disposed with the encoder. Takes yuv420p frames. */
  static async createOnDevice(
    options: DeviceEncoderOptions,
    like: Frame,
    muxer: Muxer,
    stream: Stream,
  ): Promise<VideoEncoder> {
    const { profile, device, crf, framesPerSecond } = options;
    let upload: FrameUpload | undefined;
    try {
      upload = createFrameUpload(device, like);
      const request = {
        codec: findEncoder(profile),
        settings: profile.options(crf),
        description: `${like.width}x${like.height}, crf ${crf}`,
        framesPerSecond,
        upload,
      };
      const encoder = await VideoEncoder.#open(request, like, muxer, stream);
      encoder.#device = device;
      return encoder;
    } catch (error) {
      upload?.[Symbol.dispose]();
      device[Symbol.dispose]();
      throw error;
    }
  }

  static async #open(
    { codec, settings, description, framesPerSecond, upload }: OpenRequest,
    like: Frame,
    muxer: Muxer,
    stream: Stream,
  ): Promise<VideoEncoder> {
    const name = codec.name ?? "unknown";
    const context = new CodecContext();
    try {
      context.allocContext3(codec);
      describeStream(context, like, rationalRate(framesPerSecond));
      if (upload) context.pixelFormat = upload.format;
      if (upload?.frames) context.hwFramesCtx = upload.frames;
      if (muxer.wantsGlobalHeader) context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
      using dictionary = Dictionary.fromObject(settings);
      checkResult(
        await context.open2(codec, dictionary),
        "invalid_argument",
        `The encoder ${name} does not take these settings (${description})`,
        ENCODER_HINT,
      );
      stream.timeBase = context.timeBase;
      stream.avgFrameRate = context.framerate;
      stream.sampleAspectRatio = context.sampleAspectRatio;
      checkResult(
        stream.codecpar.fromContext(context),
        "unsupported",
        `The encoder ${name} gives no stream parameters`,
        ENCODER_HINT,
      );
      // Apple's players take HEVC in MP4 only under this tag.
      if (context.codecId === AV_CODEC_ID_HEVC) stream.codecpar.codecTag = "hvc1";
      return new VideoEncoder(context, { muxer, stream, name, upload });
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
    if (!this.#upload) return await this.#send(frame);
    using uploaded = await this.#upload.upload(frame);
    await this.#send(uploaded);
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
    this.#upload?.[Symbol.dispose]();
    this.#device?.[Symbol.dispose]();
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
