/** Decodes one video stream forward, upright and in one pixel format, with seeking to keyframes. */
import { LatentSyncError } from "@ls/core";
import {
  AV_FRAME_DATA_DISPLAYMATRIX,
  AV_NOPTS_VALUE,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVCOL_RANGE_JPEG,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVFMT_TS_DISCONT,
  type AVPixelFormat,
  AVSEEK_FLAG_BACKWARD,
} from "node-av/constants";
import {
  CodecContext,
  Frame,
  Packet,
  type Stream,
  avGetCodecName,
  avGetPixFmtFromName,
  avGetPixFmtName,
  avRescaleQ,
} from "node-av/lib";
import { type ColourEncoding, colourEncoding } from "./colour.ts";
import { Deinterlacer, type TimedPicture } from "./deinterlacer.ts";
import { checkResult, ffmpegError } from "./ffmpeg-error.ts";
import type { DecodedTime } from "./frame-timeline.ts";
import { type HardwareDevice, HardwareFailure, isDamaged, type VideoHardware } from "./hardware.ts";
import { MediaInput } from "./media-input.ts";
import {
  allocateFrame,
  convertFrame,
  copyColourTags,
  referenceFrame,
  tagEncoding,
} from "./native-frame.ts";
import { DAMAGED_HINT, openCodec } from "./open-codec.ts";
import {
  exifFilters,
  Orientation,
  type OrientationFilter,
  orientationFilters,
} from "./orientation.ts";
import { checkPictureSize, pictureStream } from "./picture-stream.ts";
import { nearestKnownFormat } from "./pixel-layout.ts";

const WEBP_CONTAINER = "webp_pipe";
const MICROSECONDS = { num: 1, den: 1_000_000 } as const;

export interface DecodedFrame extends DecodedTime {
  /** Upright picture; whoever takes the frame frees it. */
  readonly native: Frame;
  readonly encoding: ColourEncoding;
}

export interface VideoDecoderOptions {
  /** Decoder threads; 0 = one per core. */
  readonly threads: number;
  /** Default: software. */
  readonly hardware?: VideoHardware | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class VideoDecoder implements AsyncDisposable {
  readonly path: string;
  readonly stream: Stream;
  readonly #input: MediaInput;
  readonly #codec: CodecContext;
  readonly #device: HardwareDevice | undefined;
  readonly #packet: Packet;
  readonly #frame: Frame;
  readonly #deinterlacer = new Deinterlacer();
  #deinterlaces = false;
  #turns: readonly OrientationFilter[] | undefined;
  #orientation: Orientation | undefined;
  /** Size and format that every frame is brought to: those of the first one. */
  #shape: { width: number; height: number; format: AVPixelFormat } | undefined;
  #draining = false;
  /** After a seek: frames before this keyframe's time may be damaged. */
  #earliestPts: bigint | undefined;
  #packetCount = 0;
  #decodedCount = 0;

  private constructor(
    input: MediaInput,
    stream: Stream,
    codec: CodecContext,
    device: HardwareDevice | undefined,
  ) {
    this.path = input.path;
    this.stream = stream;
    this.#input = input;
    this.#codec = codec;
    this.#device = device;
    this.#packet = new Packet();
    this.#packet.alloc();
    this.#frame = new Frame();
    this.#frame.alloc();
  }

  /** @throws HardwareFailure if a device does not take the stream; so does {@link next}. */
  static async open(path: string, options: VideoDecoderOptions): Promise<VideoDecoder> {
    const { signal } = options;
    const input = await MediaInput.open(path, {
      ...(signal ? { signal } : {}),
      checkStreams: (streams) => streams.forEach((stream) => checkPictureSize(path, stream)),
    });
    const codec = new CodecContext();
    let device: HardwareDevice | undefined;
    try {
      const stream = pictureStream(input);
      device = options.hardware?.openFor(stream);
      await openCodec(codec, { stream, path, threads: options.threads, device });
      input.select(stream);
      return new VideoDecoder(input, stream, codec, device);
    } catch (error) {
      codec.freeContext();
      device?.[Symbol.dispose]();
      await input[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether the container has no other stream. */
  get isOnlyStream(): boolean {
    return this.#input.context.nbStreams === 1;
  }

  /** Whether time stamps of the container may jump without meaning a pause. */
  get mayJump(): boolean {
    return this.#input.context.iformat?.hasFlags(AVFMT_TS_DISCONT as never) ?? false;
  }

  /** Whether the file is one picture. */
  get isStill(): boolean {
    return this.#container.endsWith("_pipe");
  }

  /** Whether a frame was made of two fields, with a look at the frame before. */
  get deinterlaces(): boolean {
    return this.#deinterlaces;
  }

  /** A time of the file in the stream's time base. */
  ptsAt(seconds: number): number {
    return Number(this.#startPts) + seconds / this.stream.timeBase.toDouble();
  }

  /** Length of the video in seconds if the container tells. */
  get durationSeconds(): number | undefined {
    const { stream } = this;
    if (stream.duration !== AV_NOPTS_VALUE && stream.duration > 0n) {
      return Number(stream.duration) * stream.timeBase.toDouble();
    }
    const { duration } = this.#input.context;
    return duration === AV_NOPTS_VALUE || duration <= 0n ? undefined : Number(duration) / 1e6;
  }

  /** The next frame in presentation order, or undefined at the end. */
  async next(): Promise<DecodedFrame | undefined> {
    for (;;) {
      const result = await this.#codec.receiveFrame(this.#frame);
      if (result === AVERROR_EOF) return await this.#end();
      if (result >= 0) {
        if (this.#device) await this.#download(this.#device);
        const frame = await this.#take();
        if (frame) return frame;
      } else if (this.#device && result !== AVERROR_EAGAIN) {
        throw this.#hardwareFailure(this.#device);
      } else if (this.#draining && result !== AVERROR_EAGAIN) {
        // A damaged picture at the very end: there may be good ones behind it.
        continue;
      } else if (this.#draining) {
        return await this.#end();
      } else {
        await this.#feed();
      }
    }
  }

  /**
   * Goes to the last keyframe at or before a time. Gives false if the file does not allow it;
   * the decoder must then be opened anew.
   */
  async seek(pts: number): Promise<boolean> {
    const perSecond = 1 / this.stream.timeBase.toDouble();
    for (let backSeconds = 0; backSeconds <= 64; backSeconds = backSeconds * 2 || 1) {
      const target = BigInt(Math.floor(pts - backSeconds * perSecond));
      const { context } = this.#input;
      if ((await context.seekFrame(this.stream.index, target, AVSEEK_FLAG_BACKWARD)) < 0)
        return false;
      this.#codec.flushBuffers();
      this.#deinterlacer.reset();
      this.#draining = false;
      const key = await this.#readKeyframe();
      if (key === undefined) return false;
      if (key <= BigInt(pts)) {
        this.#earliestPts = key;
        const sent = await this.#codec.sendPacket(this.#packet);
        this.#packet.unref();
        return sent >= 0;
      }
      this.#packet.unref();
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#deinterlacer[Symbol.dispose]();
    this.#orientation?.[Symbol.dispose]();
    this.#orientation = undefined;
    this.#frame.free();
    this.#packet.free();
    this.#codec.freeContext();
    this.#device?.[Symbol.dispose]();
    await this.#input[Symbol.asyncDispose]();
  }

  /** Brings the decoded frame from the device to memory. */
  async #download(device: HardwareDevice): Promise<void> {
    if (isDamaged(this.#frame)) throw this.#hardwareFailure(device);
    try {
      using memory = await device.download(this.#frame);
      this.#frame.unref();
      checkResult(this.#frame.ref(memory), "runtime", "FFmpeg lost a frame", "Free some memory.");
    } catch (cause) {
      throw this.#hardwareFailure(device, cause);
    }
  }

  #hardwareFailure({ name }: HardwareDevice, cause?: unknown): HardwareFailure {
    const frame = this.#decodedCount;
    return new HardwareFailure(`${name} failed at frame ${frame} of ${this.path}`, { cause });
  }

  /** Reads up to the next keyframe and keeps it as the current packet. */
  async #readKeyframe(): Promise<bigint | undefined> {
    while ((await this.#input.context.readFrame(this.#packet)) >= 0) {
      const { streamIndex, isKeyframe, pts } = this.#packet;
      if (streamIndex === this.stream.index && isKeyframe && pts !== AV_NOPTS_VALUE) return pts;
      this.#packet.unref();
    }
    return undefined;
  }

  async #feed(): Promise<void> {
    const packet = this.#packet;
    const result = await this.#input.context.readFrame(packet);
    if (result === AVERROR_EAGAIN) return;
    if (result < 0) {
      this.#draining = true;
      if (result !== AVERROR_EOF) {
        throw ffmpegError(
          result,
          "invalid_media",
          `${this.path} is damaged after frame ${this.#decodedCount}`,
          DAMAGED_HINT,
        );
      }
      await this.#codec.sendPacket(null);
      return;
    }
    if (packet.streamIndex === this.stream.index) {
      this.#packetCount += 1;
      // A packet that does not decode is skipped, as players do.
      const sent = await this.#codec.sendPacket(packet);
      if (sent < 0 && this.#device) throw this.#hardwareFailure(this.#device);
    }
    packet.unref();
  }

  async #end(): Promise<DecodedFrame | undefined> {
    const last = await this.#deinterlacer.end();
    if (last) return await this.#finish(last);
    if (this.#decodedCount > 0) return undefined;
    if (this.#device) throw this.#hardwareFailure(this.#device);
    throw new LatentSyncError(
      "invalid_media",
      `${this.path} has a video stream (${avGetCodecName(this.stream.codecpar.codecId)}), ` +
        `but not one of its ${this.#packetCount} packets can be decoded.`,
      { hint: DAMAGED_HINT },
    );
  }

  /** Takes the decoded frame out of the decoder; undefined if none is ready. */
  async #take(): Promise<DecodedFrame | undefined> {
    const best = this.#frame.bestEffortTimestamp;
    const pts = best === AV_NOPTS_VALUE ? this.#frame.pts : best;
    const before = this.#earliestPts !== undefined && pts < this.#earliestPts;
    try {
      if (before) return undefined;
      nameFullRange(this.#frame);
      // The container's word on the shape of pixels goes before the codec's, as in FFmpeg.
      const { sampleAspectRatio } = this.stream;
      if (sampleAspectRatio.num > 0) this.#frame.sampleAspectRatio = sampleAspectRatio;
      const time = this.#time(pts);
      this.#turns ??= await this.#orientationFilters();
      const native = await this.#uniform(this.#frame);
      const ready = await this.#deinterlacer.put({ native, time });
      this.#deinterlaces ||= this.#deinterlacer.active;
      return ready && (await this.#finish(ready));
    } finally {
      this.#frame.unref();
    }
  }

  get #startPts(): bigint {
    return avRescaleQ(this.#input.startMicroseconds, MICROSECONDS, this.stream.timeBase);
  }

  #time(pts: bigint): DecodedTime {
    const { timeBase, avgFrameRate } = this.stream;
    const duration = Number(this.#frame.duration) * timeBase.toDouble();
    const durationSeconds =
      duration > 0 ? duration : avgFrameRate.num > 0 ? avgFrameRate.den / avgFrameRate.num : 0;
    if (pts === AV_NOPTS_VALUE) {
      return { pts: undefined, timeSeconds: undefined, durationSeconds };
    }
    return {
      pts: Number(pts),
      timeSeconds: Number(pts - this.#startPts) * timeBase.toDouble(),
      durationSeconds,
    };
  }

  /** Takes over a picture and turns it upright. */
  async #finish({ native: picture, time }: TimedPicture): Promise<DecodedFrame> {
    const native = await this.#upright(picture);
    this.#decodedCount += 1;
    return { native, encoding: colourEncoding(native, native.width, native.height), ...time };
  }

  /** What turns the frames upright; before the first one is brought to another format. */
  async #orientationFilters(): Promise<readonly OrientationFilter[]> {
    const matrix =
      this.stream.codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX) ??
      this.#frame.getSideData(AV_FRAME_DATA_DISPLAYMATRIX);
    if (!matrix && this.#container === WEBP_CONTAINER) return await exifFilters(this.path);
    return orientationFilters(matrix ?? undefined, this.path);
  }

  get #container(): string {
    return this.#input.context.iformat?.name ?? "";
  }

  async #upright(picture: Frame): Promise<Frame> {
    picture.removeSideData(AV_FRAME_DATA_DISPLAYMATRIX);
    if (!this.#turns || this.#turns.length === 0) return picture;
    using turned = picture;
    this.#orientation ??= await Orientation.create(this.#turns, turned, this.stream.timeBase);
    return await this.#orientation.apply(turned);
  }

  /** The frame in the size and format of the first one. */
  async #uniform(decoded: Frame): Promise<Frame> {
    this.#shape ??= {
      width: decoded.width,
      height: decoded.height,
      format: nearestKnownFormat(decoded.format as AVPixelFormat),
    };
    const { width, height, format } = this.#shape;
    if (decoded.width === width && decoded.height === height && decoded.format === format) {
      return referenceFrame(decoded);
    }
    using source = referenceFrame(decoded);
    tagEncoding(source, colourEncoding(decoded, decoded.width, decoded.height));
    const target = allocateFrame(format, width, height);
    try {
      copyColourTags(target, decoded);
      target.colorSpace = source.colorSpace;
      target.colorRange = source.colorRange;
      tagEncoding(target, colourEncoding(target, width, height));
      await convertFrame(target, source);
      return target;
    } catch (error) {
      target.free();
      throw error;
    }
  }
}

/** FFmpeg's deprecated full-range formats become the plain ones with the range as a tag. */
function nameFullRange(frame: Frame): void {
  const name = avGetPixFmtName(frame.format as AVPixelFormat) ?? "";
  if (!name.startsWith("yuvj")) return;
  frame.format = avGetPixFmtFromName(name.replace("yuvj", "yuv"));
  frame.colorRange = AVCOL_RANGE_JPEG;
}
