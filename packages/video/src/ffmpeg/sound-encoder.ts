import { LatentSyncError } from "@ls/core";
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_NOPTS_VALUE,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  FF_ENCODER_AAC,
  type FFAudioEncoder,
} from "node-av/constants";
import { Codec, CodecContext, Frame, Packet, Rational, type Stream } from "node-av/lib";
import { checkResult, ffmpegError } from "./ffmpeg-error.ts";
import type { MediaInput } from "./media-input.ts";
import type { Muxer } from "./muxer.ts";
import { SoundGraph } from "./sound-graph.ts";
import type { SoundTrack } from "./sound-track.ts";

const BIT_RATE = 192_000n;
const AAC_RATES: ReadonlySet<number> = new Set([
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
]);
const FALLBACK_RATE = 48_000;
const OPUS_FRAME_SAMPLES = 960;
const DAMAGED_HINT = "Check that the sound plays to its end; convert it to WAV otherwise.";
const ENCODER_HINT = "Choose another output extension, or convert the sound to AAC first.";

/** Decodes sound and encodes it at 192 kbit/s, mono or stereo, at its own rate where possible. */
export class EncodedSound implements SoundTrack {
  readonly #input: MediaInput;
  readonly #source: Stream;
  readonly #decoder: CodecContext;
  readonly #encoder: CodecContext;
  readonly #graph: SoundGraph;
  readonly #packet: Packet;
  readonly #decoded: Frame;
  readonly #chunk: Frame;
  #muxer: Muxer | undefined;
  #target: Stream | undefined;
  /** Whether `#chunk` holds samples that are not encoded yet. */
  #pending = false;
  #ended = false;
  #samples = 0;

  private constructor(
    input: MediaInput,
    source: Stream,
    decoder: CodecContext,
    encoder: CodecContext,
  ) {
    this.#input = input;
    this.#source = source;
    this.#decoder = decoder;
    this.#encoder = encoder;
    this.#graph = new SoundGraph({
      sampleRate: encoder.sampleRate,
      channels: encoder.channelLayout.nbChannels,
      sampleFormat: encoder.sampleFormat,
      frameSamples: encoder.frameSize > 0 ? encoder.frameSize : OPUS_FRAME_SAMPLES,
    });
    this.#packet = new Packet();
    this.#packet.alloc();
    this.#decoded = new Frame();
    this.#decoded.alloc();
    this.#chunk = new Frame();
    this.#chunk.alloc();
  }

  static async create(
    input: MediaInput,
    source: Stream,
    encoderName: FFAudioEncoder,
  ): Promise<EncodedSound> {
    const decoder = new CodecContext();
    const encoder = new CodecContext();
    try {
      await openDecoder(decoder, source, input.path);
      await openEncoder(encoder, encoderName, source);
      return new EncodedSound(input, source, decoder, encoder);
    } catch (error) {
      decoder.freeContext();
      encoder.freeContext();
      throw error;
    }
  }

  async attach(muxer: Muxer): Promise<void> {
    const target = muxer.addStream();
    checkResult(
      target.codecpar.fromContext(this.#encoder),
      "unsupported",
      "The sound encoder gives no stream parameters",
      ENCODER_HINT,
    );
    target.timeBase = this.#encoder.timeBase;
    this.#muxer = muxer;
    this.#target = target;
  }

  async writeUntil(seconds: number): Promise<void> {
    const limit = this.#limit(seconds);
    while (await this.#peek()) {
      if (this.#samples + this.#chunk.nbSamples > limit) return;
      await this.#encodeChunk();
    }
  }

  async finish(seconds: number): Promise<void> {
    const limit = this.#limit(seconds);
    await this.writeUntil(seconds);
    if ((await this.#peek()) && this.#samples < limit) {
      this.#chunk.nbSamples = limit - this.#samples;
      await this.#encodeChunk();
    }
    await this.#send(null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#graph[Symbol.dispose]();
    this.#packet.free();
    this.#decoded.free();
    this.#chunk.free();
    this.#decoder.freeContext();
    this.#encoder.freeContext();
    await this.#input[Symbol.asyncDispose]();
  }

  /** Whole samples in `seconds`. */
  #limit(seconds: number): number {
    return Math.floor(seconds * this.#encoder.sampleRate + 1e-6);
  }

  /** Makes sure that `#chunk` holds the next samples; false at the end of the sound. */
  async #peek(): Promise<boolean> {
    while (!this.#pending) {
      this.#pending = await this.#graph.take(this.#chunk);
      if (this.#pending || this.#ended) break;
      await this.#decodeMore();
    }
    return this.#pending;
  }

  /** Feeds decoded sound to the graph: all frames of one packet, or the end. */
  async #decodeMore(): Promise<void> {
    const result = await this.#input.context.readFrame(this.#packet);
    if (result < 0 && result !== AVERROR_EOF && result !== AVERROR_EAGAIN) {
      throw ffmpegError(result, "invalid_media", `${this.#input.path} is damaged`, DAMAGED_HINT);
    }
    const atEnd = result === AVERROR_EOF;
    if (atEnd) await this.#decoder.sendPacket(null);
    else if (result >= 0 && this.#packet.streamIndex === this.#source.index) {
      // A packet that does not decode is skipped, as players do.
      await this.#decoder.sendPacket(this.#packet);
    }
    this.#packet.unref();
    while ((await this.#decoder.receiveFrame(this.#decoded)) >= 0) {
      await this.#graph.put(this.#decoded);
      this.#decoded.unref();
    }
    if (atEnd) {
      this.#ended = true;
      await this.#graph.end();
    }
  }

  async #encodeChunk(): Promise<void> {
    this.#chunk.pts = BigInt(this.#samples);
    this.#samples += this.#chunk.nbSamples;
    await this.#send(this.#chunk);
    this.#chunk.unref();
    this.#pending = false;
  }

  async #send(frame: Frame | null): Promise<void> {
    const failure = "The sound cannot be encoded";
    checkResult(await this.#encoder.sendFrame(frame), "runtime", failure, ENCODER_HINT);
    for (;;) {
      const result = await this.#encoder.receivePacket(this.#packet);
      if (result === AVERROR_EAGAIN || result === AVERROR_EOF) return;
      checkResult(result, "runtime", failure, ENCODER_HINT);
      await this.#write();
    }
  }

  async #write(): Promise<void> {
    if (!this.#muxer || !this.#target) {
      throw new LatentSyncError("runtime", "Sound was written before it was attached.");
    }
    if (this.#packet.dts === AV_NOPTS_VALUE) this.#packet.dts = this.#packet.pts;
    await this.#muxer.write(this.#packet, this.#target, this.#encoder.timeBase);
    this.#packet.unref();
  }
}

async function openDecoder(context: CodecContext, stream: Stream, path: string): Promise<void> {
  const codec = Codec.findDecoder(stream.codecpar.codecId);
  if (!codec) {
    throw new LatentSyncError("unsupported", `${path}: no decoder for its sound.`, {
      hint: "Convert the sound to WAV first.",
    });
  }
  context.allocContext3(codec);
  const failure = `${path}: its sound cannot be decoded`;
  checkResult(context.parametersToContext(stream.codecpar), "invalid_media", failure, DAMAGED_HINT);
  context.pktTimebase = stream.timeBase;
  checkResult(await context.open2(codec, null), "invalid_media", failure, DAMAGED_HINT);
}

async function openEncoder(
  context: CodecContext,
  name: FFAudioEncoder,
  source: Stream,
): Promise<void> {
  const codec = Codec.findEncoderByName(name);
  if (!codec) {
    throw new LatentSyncError("unsupported", `FFmpeg has no ${name} encoder here.`, {
      hint: ENCODER_HINT,
    });
  }
  const { sampleRate, channelLayout } = source.codecpar;
  const mono = channelLayout.nbChannels === 1;
  context.allocContext3(codec);
  context.sampleRate =
    name === FF_ENCODER_AAC && AAC_RATES.has(sampleRate) ? sampleRate : FALLBACK_RATE;
  context.channelLayout = mono ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;
  context.sampleFormat = name === FF_ENCODER_AAC ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;
  context.bitRate = BIT_RATE;
  context.timeBase = new Rational(1, context.sampleRate);
  context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  checkResult(
    await context.open2(codec, null),
    "unsupported",
    `The ${name} encoder does not take the sound's format`,
    ENCODER_HINT,
  );
}
