import {
  type ImagePatch,
  LatentSyncError,
  type VideoFrame,
  type VideoWriter,
  type VideoWriterOptions,
} from "@ls/core";
import { AV_PIX_FMT_YUV420P } from "node-av/constants";
import type { Frame, Stream } from "node-av/lib";
import { FrameComposer } from "./frame-composer.ts";
import { hardwareEncoder } from "./hardware-encoders.ts";
import type { VideoHardware } from "./hardware.ts";
import { Muxer } from "./muxer.ts";
import { OutputFile } from "./output-file.ts";
import { containerFor, type VideoCodec, type VideoEncoderProfile } from "./output-format.ts";
import { openSoundTrack, type SoundTrack } from "./sound-track.ts";
import { findEncoder, VideoEncoder } from "./video-encoder.ts";
import { FfmpegVideoReader } from "./video-reader.ts";

/** Composed frames that may wait for the encoder. */
const QUEUE_LIMIT = 4;

export interface EncodingOptions {
  readonly codec: VideoCodec;
  readonly profile: VideoEncoderProfile;
  readonly crf: number;
  readonly preset: string | undefined;
  /** Default: software. */
  readonly hardware?: VideoHardware | undefined;
}

interface Parts {
  readonly file: OutputFile;
  readonly sound: SoundTrack;
  readonly muxer: Muxer;
}

export class FfmpegVideoWriter implements VideoWriter {
  readonly #options: VideoWriterOptions;
  readonly #encoding: EncodingOptions;
  readonly #parts: Parts;
  readonly #composer: FrameComposer;
  #encoder: VideoEncoder | undefined;
  #frameCount = 0;
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
      encoderFormats: findEncoder(encoding.profile).pixelFormats ?? [],
      width,
      height,
    });
  }

  static async create(
    options: VideoWriterOptions,
    encoding: EncodingOptions,
  ): Promise<FfmpegVideoWriter> {
    const { path, source, audioPath, signal } = options;
    signal?.throwIfAborted();
    const container = containerFor(path, encoding.codec);
    const inputs = source instanceof FfmpegVideoReader ? [source.path, audioPath] : [audioPath];
    findEncoder(encoding.profile);
    const sound = await openSoundTrack(audioPath, container, signal);
    let file: OutputFile | undefined;
    try {
      file = await OutputFile.create(path, inputs);
      const muxer = await Muxer.create(file.temporaryPath, container.muxer, path);
      return new FfmpegVideoWriter(options, encoding, { file, sound, muxer });
    } catch (error) {
      await sound[Symbol.asyncDispose]();
      await file?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  async write(frame: VideoFrame, patch?: ImagePatch): Promise<void> {
    this.#checkOpen();
    const composing = this.#composer.compose(frame, patch);
    this.#composing = composing.catch(() => undefined);
    const composed = await composing;
    if (this.#state !== "open") composed.free();
    this.#checkOpen();
    this.#enqueue(composed);
    if (this.#queue.length >= QUEUE_LIMIT) await this.#queue[0];
    this.#throwFailure();
  }

  async finish(): Promise<void> {
    this.#checkOpen();
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
    const { sound, muxer, file } = this.#parts;
    await this.#encoder?.finish();
    signal?.throwIfAborted();
    await sound.finish(this.#seconds(this.#frameCount));
    await muxer.finish();
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
    await Promise.all(this.#queue);
    const { sound, muxer, file } = this.#parts;
    this.#encoder?.[Symbol.dispose]();
    await sound[Symbol.asyncDispose]();
    await muxer[Symbol.asyncDispose]();
    await file[Symbol.asyncDispose]();
  }

  /** Starts encoding after all that was enqueued before. Takes over the frame. */
  #enqueue(frame: Frame): void {
    const before = this.#queue.at(-1);
    const index = this.#frameCount;
    this.#frameCount += 1;
    const task = this.#encodeAfter(before, frame, index).finally(() => void this.#queue.shift());
    this.#queue.push(task);
  }

  async #encodeAfter(
    before: Promise<void> | undefined,
    frame: Frame,
    index: number,
  ): Promise<void> {
    using owned = frame;
    await before;
    if (this.#failure || this.#state === "disposed") return;
    try {
      this.#encoder ??= await this.#start(owned);
      await this.#encoder.encode(owned);
      await this.#parts.sound.writeUntil(this.#seconds(index + 1));
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** Opens the encoder for frames like this one and writes the file's header. */
  async #start(like: Frame): Promise<VideoEncoder> {
    const { muxer, sound } = this.#parts;
    const { framesPerSecond } = this.#options.source.info;
    const stream = muxer.addStream();
    const options = { ...this.#encoding, framesPerSecond };
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
    const { width, height, framesPerSecond } = this.#options.source.info;
    try {
      const profile = hardwareEncoder(name, codec);
      if (profile === undefined) throw new Error(`this FFmpeg has no ${codec} encoder for ${name}`);
      if (like.format !== AV_PIX_FMT_YUV420P || width % 2 !== 0 || height % 2 !== 0) {
        throw new Error("the pictures are not 8 bit 4:2:0 with even sides");
      }
      const device = hardware.openDevice(name);
      const options = { profile, device, crf, framesPerSecond };
      return await VideoEncoder.createOnDevice(options, like, this.#parts.muxer, stream);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      hardware.giveUp("encoded", error);
      return undefined;
    }
  }

  #seconds(frames: number): number {
    return frames / this.#options.source.info.framesPerSecond;
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
