/** Decodes one video stream forward, upright and in one pixel format, with seeking to keyframes. */
import { LatentSyncError } from "@ls/core";
import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_FRAME_DATA_DISPLAYMATRIX,
  AV_NOPTS_VALUE,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVCOL_RANGE_JPEG,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVFMT_TS_DISCONT,
  AVMEDIA_TYPE_VIDEO,
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
import { DAMAGED_HINT, MAX_PIXELS, openCodec } from "./open-codec.ts";
import { OrientationGraph, orientationFilters } from "./orientation.ts";
import { nearestKnownFormat } from "./pixel-layout.ts";

const MAX_SIDE = 32_768;
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

function checkSize(path: string, stream: Stream): void {
  const { width, height } = stream.codecpar;
  if (width * height <= MAX_PIXELS && width <= MAX_SIDE && height <= MAX_SIDE) return;
  throw new LatentSyncError(
    "invalid_media",
    `${path} says that its pictures have ${width}x${height} pixels; at most ${MAX_PIXELS} pixels are accepted.`,
    { hint: "If the size is real, scale the video down first." },
  );
}

function isAttachedPicture(stream: Stream): boolean {
  return stream.hasDisposition(AV_DISPOSITION_ATTACHED_PIC);
}

export class VideoDecoder implements AsyncDisposable {
  readonly path: string;
  readonly stream: Stream;
  readonly #input: MediaInput;
  readonly #codec: CodecContext;
  readonly #device: HardwareDevice | undefined;
  readonly #packet: Packet;
  readonly #frame: Frame;
  #graph: OrientationGraph | undefined;
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
      checkStreams: (streams) => streams.forEach((stream) => checkSize(path, stream)),
    });
    const codec = new CodecContext();
    let device: HardwareDevice | undefined;
    try {
      const stream = input.bestStream(AVMEDIA_TYPE_VIDEO);
      if (!stream || isAttachedPicture(stream)) {
        throw new LatentSyncError("invalid_media", `${path} has no video stream.`, {
          hint: "Give a file that has pictures.",
        });
      }
      checkSize(path, stream);
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
      if (result === AVERROR_EOF) return this.#end();
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
        return this.#end();
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
    this.#graph?.[Symbol.dispose]();
    this.#graph = undefined;
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

  #end(): undefined {
    if (this.#decodedCount > 0) return undefined;
    if (this.#device) throw this.#hardwareFailure(this.#device);
    throw new LatentSyncError(
      "invalid_media",
      `${this.path} has a video stream (${avGetCodecName(this.stream.codecpar.codecId)}), ` +
        `but not one of its ${this.#packetCount} packets can be decoded.`,
      { hint: DAMAGED_HINT },
    );
  }

  /** Takes the decoded frame out of the decoder; undefined if it is to be dropped. */
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
      const native = await this.#upright(this.#frame);
      this.#decodedCount += 1;
      const encoding = colourEncoding(native, native.width, native.height);
      return { native, encoding, ...this.#time(pts) };
    } finally {
      this.#frame.unref();
    }
  }

  #time(pts: bigint): DecodedTime {
    const { timeBase, avgFrameRate } = this.stream;
    const duration = Number(this.#frame.duration) * timeBase.toDouble();
    const durationSeconds =
      duration > 0 ? duration : avgFrameRate.num > 0 ? avgFrameRate.den / avgFrameRate.num : 0;
    if (pts === AV_NOPTS_VALUE) {
      return { pts: undefined, timeSeconds: undefined, durationSeconds };
    }
    const start = avRescaleQ(this.#input.startMicroseconds, MICROSECONDS, timeBase);
    return {
      pts: Number(pts),
      timeSeconds: Number(pts - start) * timeBase.toDouble(),
      durationSeconds,
    };
  }

  async #upright(decoded: Frame): Promise<Frame> {
    const uniform = await this.#uniform(decoded);
    if (!this.#graph && this.#decodedCount === 0) {
      const matrix =
        this.stream.codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX) ??
        decoded.getSideData(AV_FRAME_DATA_DISPLAYMATRIX);
      const filters = orientationFilters(matrix ?? undefined, this.path);
      if (filters.length > 0) {
        this.#graph = await OrientationGraph.create(filters, uniform, this.stream.timeBase);
      }
    }
    uniform.removeSideData(AV_FRAME_DATA_DISPLAYMATRIX);
    if (!this.#graph) return uniform;
    using turned = uniform;
    return await this.#graph.apply(turned);
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
