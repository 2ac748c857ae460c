import { LatentSyncError } from "@ls/core";
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_CODEC_ID_HEVC,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  type AVPixelFormat,
  FF_ENCODER_LIBSVTAV1,
  FF_ENCODER_LIBX265,
} from "node-av/constants";
import {
  avGetPixFmtName,
  Codec,
  CodecContext,
  Dictionary,
  type Frame,
  Packet,
  Rational,
  type Stream,
} from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";
import type { RateFraction } from "./frame-rate.ts";
import {
  createFrameUpload,
  type FrameUpload,
  type HardwareEncoderProfile,
} from "./hardware-encoders.ts";
import type { HardwareDevice } from "./hardware.ts";
import { attachHdrMetadata, type HdrMetadata } from "./hdr-metadata.ts";
import type { Muxer } from "./muxer.ts";
import type { VideoEncoderProfile } from "./output-format.ts";

const ENCODER_HINT = "Choose another codec or preset.";
/** A keyframe at least every ten seconds at 25 frames per second: seeking stays quick. */
const MAX_KEYFRAME_DISTANCE = 250;

/** Units of a second in which frames of a varying rate are timed: whole for all usual rates. */
const TICKS_PER_SECOND = 120_000;

/**
 * Frames by which x265 decodes ahead of showing. It takes the decoding times of no more frames than
 * that from memory that it never wrote; so few are decoded in the order in which they are shown.
 */
const X265_MOST_DELAY = 2;

/** Rate of the frames: constant, or the mean one of frames that come with times of their own. */
export interface FrameTiming {
  readonly rate: RateFraction;
  readonly variable: boolean;
}

/** When a frame is shown, and for how long. */
export interface ShownTime {
  readonly seconds: number;
  readonly durationSeconds: number;
}

interface CommonOptions {
  readonly crf: number;
  readonly timing: FrameTiming;
  readonly hdr: HdrMetadata;
}

export interface VideoEncoderOptions extends CommonOptions {
  readonly profile: VideoEncoderProfile;
  readonly preset: string | undefined;
}

interface DeviceEncoderOptions extends CommonOptions {
  readonly profile: HardwareEncoderProfile;
  readonly device: HardwareDevice;
}

interface OpenRequest {
  readonly codec: Codec;
  readonly settings: Readonly<Record<string, string | number>>;
  /** What was asked for, for people. */
  readonly description: string;
  readonly timing: FrameTiming;
  readonly hdr: HdrMetadata;
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

/** Encodes frames into one stream of a muxer. */
export class VideoEncoder implements Disposable {
  readonly #context: CodecContext;
  readonly #packet: Packet;
  readonly #muxer: Muxer;
  readonly #stream: Stream;
  readonly #name: string;
  readonly #upload: FrameUpload | undefined;
  #device: HardwareDevice | undefined;
  readonly #variable: boolean;
  /** Durations of frames whose packets are to come, by presentation time. */
  readonly #durations: Map<bigint, bigint> = new Map<bigint, bigint>();
  #lastPts = -1n;
  #frameCount = 0;

  private constructor(
    context: CodecContext,
    output: {
      readonly muxer: Muxer;
      readonly stream: Stream;
      readonly name: string;
      readonly upload: FrameUpload | undefined;
      readonly variable: boolean;
    },
  ) {
    this.#context = context;
    this.#muxer = output.muxer;
    this.#stream = output.stream;
    this.#name = output.name;
    this.#upload = output.upload;
    this.#variable = output.variable;
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
    const { profile, crf, preset, timing, hdr } = options;
    checkSize(profile, like);
    // SVT-AV1 prints to the error stream unless its own variable says otherwise: errors only.
    if (profile.encoder === FF_ENCODER_LIBSVTAV1) process.env["SVT_LOG"] ??= "1";
    const pixelFormat = avGetPixFmtName(like.format as AVPixelFormat) ?? "";
    const { width, height } = like;
    const settings = profile.options({ crf, preset, width, height, pixelFormat, hdr });
    const quality = profile.defaultCrf === undefined ? "" : `, crf ${crf}`;
    const rate = `${Number((timing.rate.num / timing.rate.den).toFixed(3))} frames per second`;
    const description = `${width}x${height} ${pixelFormat}, ${rate}${quality}, preset ${preset ?? "default"}`;
    const request = { codec: findEncoder(profile), settings, description, timing, hdr };
    return await VideoEncoder.#open(request, like, muxer, stream);
  }

  /** As {@link create}, on a device, which is disposed with the encoder. Takes yuv420p frames. */
  static async createOnDevice(
    options: DeviceEncoderOptions,
    like: Frame,
    muxer: Muxer,
    stream: Stream,
  ): Promise<VideoEncoder> {
    const { profile, device, crf, timing, hdr } = options;
    let upload: FrameUpload | undefined;
    try {
      upload = createFrameUpload(device, like);
      const request = {
        codec: findEncoder(profile),
        settings: profile.options(crf),
        description: `${like.width}x${like.height}, crf ${crf}`,
        timing,
        hdr,
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
    { codec, settings, description, timing, hdr, upload }: OpenRequest,
    like: Frame,
    muxer: Muxer,
    stream: Stream,
  ): Promise<VideoEncoder> {
    const name = codec.name ?? "unknown";
    const context = new CodecContext();
    try {
      context.allocContext3(codec);
      describeStream(context, like, timing);
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
      // Matroska's players take a rate that is named for that of every frame.
      if (!timing.variable) stream.avgFrameRate = context.framerate;
      stream.sampleAspectRatio = context.sampleAspectRatio;
      checkResult(
        stream.codecpar.fromContext(context),
        "unsupported",
        `The encoder ${name} gives no stream parameters`,
        ENCODER_HINT,
      );
      attachHdrMetadata(stream, hdr);
      // Apple's players take HEVC in MP4 only under this tag.
      if (context.codecId === AV_CODEC_ID_HEVC) stream.codecpar.codecTag = "hvc1";
      const { variable } = timing;
      return new VideoEncoder(context, { muxer, stream, name, upload, variable });
    } catch (error) {
      context.freeContext();
      throw error;
    }
  }

  /**
   * Encodes the next frame and writes what is ready. The frame stays the caller's.
   * @param shown needed, and looked at, where the rate varies.
   */
  async encode(frame: Frame, shown?: ShownTime): Promise<void> {
    const { pts, duration } =
      this.#variable && shown
        ? this.#ticks(shown)
        : { pts: BigInt(this.#frameCount), duration: 1n };
    frame.pts = pts;
    frame.duration = duration;
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

  #ticks({ seconds, durationSeconds }: ShownTime): { pts: bigint; duration: bigint } {
    const start = BigInt(Math.round(seconds * TICKS_PER_SECOND));
    const end = BigInt(Math.round((seconds + durationSeconds) * TICKS_PER_SECOND));
    const pts = start > this.#lastPts ? start : this.#lastPts + 1n;
    const duration = end > pts ? end - pts : 1n;
    this.#lastPts = pts;
    this.#durations.set(pts, duration);
    return { pts, duration };
  }

  async #send(frame: Frame | null): Promise<void> {
    this.#check(await this.#context.sendFrame(frame));
    for (;;) {
      const result = await this.#context.receivePacket(this.#packet);
      if (result === AVERROR_EAGAIN || result === AVERROR_EOF) return;
      this.#check(result);
      const { pts, duration } = this.#packet;
      if (this.#decodesAsShown) this.#packet.dts = pts;
      this.#packet.duration = this.#durations.get(pts) ?? (duration > 0n ? duration : 1n);
      this.#durations.delete(pts);
      await this.#muxer.write(this.#packet, this.#stream, this.#context.timeBase);
      this.#packet.unref();
    }
  }

  /** Whether decoding times are those of showing, whatever the encoder says. */
  get #decodesAsShown(): boolean {
    return this.#name === FF_ENCODER_LIBX265 && this.#frameCount <= X265_MOST_DELAY;
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

/** @throws LatentSyncError `unsupported`. */
function checkSize({ encoder, leastSize }: VideoEncoderProfile, { width, height }: Frame): void {
  if (leastSize === undefined) return;
  if (width >= leastSize.width && height >= leastSize.height) return;
  throw new LatentSyncError(
    "unsupported",
    `The encoder ${encoder} needs pictures of ${leastSize.width}x${leastSize.height} pixels or more, ` +
      `but these have ${width}x${height}.`,
    { hint: "Choose the codec h264, which takes pictures of any size." },
  );
}

function describeStream(context: CodecContext, like: Frame, timing: FrameTiming): void {
  const rate = new Rational(timing.rate.num, timing.rate.den);
  context.width = like.width;
  context.height = like.height;
  context.pixelFormat = like.format as AVPixelFormat;
  context.timeBase = timing.variable ? new Rational(1, TICKS_PER_SECOND) : rate.inv();
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
