import {
  type ImagePatch,
  LatentSyncError,
  type VideoFrame,
  type VideoWriter,
  type VideoWriterOptions,
} from "@ls/core";
import { AV_PIX_FMT_YUV420P } from "node-av/constants";
import type { Frame, Stream } from "node-av/lib";
import { FfmpegVideoFrame } from "./ffmpeg-video-frame.ts";
import { FrameComposer } from "./frame-composer.ts";
import { rateFraction } from "./frame-rate.ts";
import { hardwareEncoder } from "./hardware-encoders.ts";
import type { VideoHardware } from "./hardware.ts";
import type { HdrMetadata } from "./hdr-metadata.ts";
import { Muxer } from "./muxer.ts";
import { OutputFile } from "./output-file.ts";
import {
  type Container,
  containerFor,
  describeLoss,
  type VideoCodec,
  type VideoEncoderProfile,
} from "./output-format.ts";
import { openSoundTrack, type SoundTrack } from "./sound-track.ts";
import { findEncoder, type FrameTiming, type ShownTime, VideoEncoder } from "./video-encoder.ts";
import { FfmpegVideoReader } from "./video-reader.ts";
import { appendXmp } from "./xmp-box.ts";

/** Composed frames that may wait for the encoder. */
const QUEUE_LIMIT = 4;

export interface EncodingOptions {
  readonly codec: VideoCodec;
  readonly profile: VideoEncoderProfile;
  readonly crf: number;
  readonly preset: string | undefined;
  /** Default: software. */
  readonly hardware?: VideoHardware | undefined;
  readonly onNotice?: ((message: string) => void) | undefined;
}

interface Parts {
  readonly container: Container;
  readonly file: OutputFile;
  readonly sound: SoundTrack;
  readonly muxer: Muxer;
}

interface HeldFrame {
  readonly composed: Frame;
  readonly seconds: number;
  readonly ownDurationSeconds: number;
}

const NO_HDR: HdrMetadata = {};
/** A last frame whose source names no length is seen at all. */
const LEAST_DURATION_SECONDS = 0.001;

export class FfmpegVideoWriter implements VideoWriter {
  readonly #options: VideoWriterOptions;
  readonly #encoding: EncodingOptions;
  readonly #parts: Parts;
  readonly #composer: FrameComposer;
  #encoder: VideoEncoder | undefined;
  /** Whether frames come with times of their own; known from the first one on. */
  #variable: boolean | undefined;
  /** A frame that waits for the next one's time, which ends its own. */
  #held: HeldFrame | undefined;
  #frameCount = 0;
  #endSeconds = 0;
  /** Encoding that is under way, oldest first. */
  readonly #queue: Promise<void>[] = [];
  #composing: Promise<unknown> = Promise.resolve();
  #finishing: Promise<unknown> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #state: "open" | "finishing" | "finished" | "disposed" = "open";
  #disposal: Promise<void> | undefined;

  private constructor(options: VideoWriterOptions, encoding: EncodingOptions, parts: Parts) {
    const { width, height } = options.source.info;
    this.#options = options;
    this.#encoding = encoding;
    this.#parts = parts;
    this.#composer = new FrameComposer({
      profile: encoding.profile,
      container: parts.container,
      encoderFormats: findEncoder(encoding.profile).pixelFormats ?? [],
      width,
      height,
      onFormat: (from, to) => {
        const loss = describeLoss(encoding.codec, from, to);
        if (loss !== undefined) encoding.onNotice?.(loss);
      },
    });
  }

  static async create(
    options: VideoWriterOptions,
    encoding: EncodingOptions,
  ): Promise<FfmpegVideoWriter> {
    const { path, source, audioPath, metadata = {}, signal } = options;
    signal?.throwIfAborted();
    const container = containerFor(path, encoding.codec);
    const inputs = source instanceof FfmpegVideoReader ? [source.path, audioPath] : [audioPath];
    findEncoder(encoding.profile);
    const sound = await openSoundTrack(audioPath, container, signal);
    let file: OutputFile | undefined;
    try {
      file = await OutputFile.create(path, inputs);
      const muxing = { muxer: container.muxer, shownPath: path, metadata };
      const muxer = await Muxer.create(file.temporaryPath, muxing);
      return new FfmpegVideoWriter(options, encoding, { container, file, sound, muxer });
    } catch (error) {
      await sound[Symbol.asyncDispose]();
      await file?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  async write(
    frame: VideoFrame,
    patches: readonly ImagePatch[] = [],
    timeSeconds?: number,
  ): Promise<void> {
    this.#checkOpen();
    const held = this.#place(frame, timeSeconds);
    const composing = this.#composer.compose(frame, patches);
    this.#composing = composing.catch(() => undefined);
    const composed = await composing;
    if (this.#state !== "open") composed.free();
    this.#checkOpen();
    if (this.#variable) this.#hold({ ...held, composed });
    else this.#enqueue(composed);
    if (this.#queue.length >= QUEUE_LIMIT) await this.#queue[0];
    this.#throwFailure();
  }

  /** @throws LatentSyncError `invalid_argument` for a time that cannot follow the one before. */
  #place(frame: VideoFrame, timeSeconds: number | undefined): Omit<HeldFrame, "composed"> {
    const ownDurationSeconds =
      frame instanceof FfmpegVideoFrame ? frame.durationSeconds : this.#frameSeconds;
    this.#variable ??= timeSeconds !== undefined;
    if (!this.#variable && timeSeconds !== undefined) {
      throw new LatentSyncError(
        "invalid_argument",
        `Frame ${frame.index} has a time (${timeSeconds} s), but those before it had none.`,
        { hint: "Give every frame a time, or none." },
      );
    }
    const before = this.#held?.seconds;
    const seconds = timeSeconds ?? (before === undefined ? 0 : before + this.#frameSeconds);
    const follows = before === undefined ? seconds >= 0 : seconds > before;
    if (!this.#variable || (follows && Number.isFinite(seconds))) {
      return { seconds, ownDurationSeconds };
    }
    const earliest = before === undefined ? "at 0 s or later" : `later than ${before} s`;
    throw new LatentSyncError(
      "invalid_argument",
      `Frame ${frame.index} must be shown ${earliest}, but its time is ${seconds} s.`,
    );
  }

  /** Sends the frame that was held until now, whose end is known, and holds this one. */
  #hold(frame: HeldFrame): void {
    this.#releaseHeld(frame.seconds);
    this.#held = frame;
  }

  #releaseHeld(endSeconds: number | undefined): void {
    const held = this.#held;
    if (!held) return;
    this.#held = undefined;
    const { seconds, ownDurationSeconds } = held;
    const end = endSeconds ?? seconds + Math.max(ownDurationSeconds, LEAST_DURATION_SECONDS);
    this.#enqueue(held.composed, { seconds, durationSeconds: end - seconds });
  }

  async finish(): Promise<void> {
    this.#checkOpen();
    this.#releaseHeld(undefined);
    if (this.#frameCount === 0) {
      throw new LatentSyncError("invalid_argument", "A video needs one frame at least.");
    }
    this.#state = "finishing";
    const finishing = this.#complete();
    this.#finishing = finishing.catch(() => undefined);
    await finishing;
    this.#state = "finished";
  }

  async #complete(): Promise<void> {
    const { signal } = this.#options;
    await Promise.all(this.#queue);
    this.#throwFailure();
    const { container, sound, muxer, file } = this.#parts;
    await this.#encoder?.finish();
    signal?.throwIfAborted();
    await sound.finish(this.#endSeconds);
    await muxer.finish();
    const { xmp } = this.#options.metadata ?? {};
    if (xmp !== undefined && container.muxer === "mp4") await appendXmp(file.temporaryPath, xmp);
    signal?.throwIfAborted();
    await file.publish();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    if (this.#state === "open") this.#state = "disposed";
    await this.#finishing;
    await this.#composing;
    this.#held?.composed.free();
    this.#held = undefined;
    await Promise.all(this.#queue);
    const { sound, muxer, file } = this.#parts;
    this.#encoder?.[Symbol.dispose]();
    await sound[Symbol.asyncDispose]();
    await muxer[Symbol.asyncDispose]();
    await file[Symbol.asyncDispose]();
  }

  /** Starts encoding after all that was enqueued before. Takes over the frame. */
  #enqueue(frame: Frame, shown?: ShownTime): void {
    const before = this.#queue.at(-1);
    this.#frameCount += 1;
    this.#endSeconds = shown
      ? shown.seconds + shown.durationSeconds
      : this.#frameCount * this.#frameSeconds;
    const task = this.#encodeAfter(before, frame, this.#endSeconds, shown);
    this.#queue.push(task.finally(() => void this.#queue.shift()));
  }

  async #encodeAfter(
    before: Promise<void> | undefined,
    frame: Frame,
    endSeconds: number,
    shown: ShownTime | undefined,
  ): Promise<void> {
    using owned = frame;
    await before;
    if (this.#failure || this.#state === "disposed") return;
    try {
      this.#encoder ??= await this.#start(owned);
      await this.#encoder.encode(owned, shown);
      await this.#parts.sound.writeUntil(endSeconds);
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** Opens the encoder for frames like this one and writes the file's header. */
  async #start(like: Frame): Promise<VideoEncoder> {
    const { muxer, sound } = this.#parts;
    const stream = muxer.addStream();
    const options = { ...this.#encoding, timing: this.#timing, hdr: this.#hdr };
    const encoder =
      (await this.#startOnDevice(like, stream)) ??
      (await VideoEncoder.create(options, like, muxer, stream));
    try {
      await sound.attach(muxer);
      await muxer.writeHeader();
      return encoder;
    } catch (error) {
      encoder[Symbol.dispose]();
      throw error;
    }
  }

  /** @returns `undefined`, after a notice, where software is to encode. */
  async #startOnDevice(like: Frame, stream: Stream): Promise<VideoEncoder | undefined> {
    const { hardware, codec, crf } = this.#encoding;
    const name = hardware?.encodingDevice;
    if (hardware === undefined || name === undefined) return undefined;
    try {
      const profile = hardwareEncoder(name, codec);
      if (profile === undefined) throw new Error(`this FFmpeg has no ${codec} encoder for ${name}`);
      if (like.format !== AV_PIX_FMT_YUV420P || this.#composer.pads) {
        throw new Error("the pictures are not 8 bit 4:2:0 with even sides");
      }
      const device = hardware.openDevice(name);
      const options = { profile, device, crf, timing: this.#timing, hdr: this.#hdr };
      return await VideoEncoder.createOnDevice(options, like, this.#parts.muxer, stream);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      hardware.giveUp("encoded", error);
      return undefined;
    }
  }

  get #timing(): FrameTiming {
    return {
      rate: rateFraction(this.#options.source.info.framesPerSecond),
      variable: this.#variable ?? false,
    };
  }

  get #hdr(): HdrMetadata {
    const { source } = this.#options;
    return source instanceof FfmpegVideoReader ? source.hdr : NO_HDR;
  }

  get #frameSeconds(): number {
    const { num, den } = rateFraction(this.#options.source.info.framesPerSecond);
    return den / num;
  }

  #checkOpen(): void {
    this.#options.signal?.throwIfAborted();
    this.#throwFailure();
    if (this.#state === "open") return;
    throw new LatentSyncError("disposed", `The writer of ${this.#options.path} is ${this.#state}.`);
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
