import { LatentSyncError } from "@ls/core";
import {
  AV_CODEC_ID_VORBIS,
  AV_NOPTS_VALUE,
  AV_PKT_DATA_SKIP_SAMPLES,
  AVERROR_EOF,
} from "node-av/constants";
import { avGetCodecName, type IRational, Packet, type Stream } from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";
import type { MediaInput } from "./media-input.ts";
import type { Muxer } from "./muxer.ts";
import type { SoundTrack } from "./sound-track.ts";

const DAMAGED_HINT = "Check that the sound plays to its end; convert it to WAV otherwise.";

/** Copies sound packets. The cut is exact in the container's times, to a packet in its data (PCM: to a sample). */
export class CopiedSound implements SoundTrack {
  readonly #input: MediaInput;
  readonly #source: Stream;
  readonly #timeBase: IRational;
  readonly #packet: Packet;
  #target: Stream | undefined;
  #muxer: Muxer | undefined;
  /** Whether `#packet` holds one that is read but not written. */
  #pending = false;
  #ended = false;
  /** Time of the first audible sample, in the source's time base. */
  #origin: bigint | undefined;
  #nextPts = 0n;

  constructor(input: MediaInput, source: Stream) {
    this.#input = input;
    this.#source = source;
    const { num, den } = source.timeBase;
    this.#timeBase = { num, den };
    this.#packet = new Packet();
    this.#packet.alloc();
  }

  async attach(muxer: Muxer): Promise<void> {
    const target = muxer.addStream();
    checkResult(
      this.#source.codecpar.copy(target.codecpar),
      "invalid_media",
      `${this.#input.path}: its sound has no usable parameters`,
      DAMAGED_HINT,
    );
    target.codecpar.codecTag = 0;
    target.timeBase = this.#source.timeBase;
    this.#muxer = muxer;
    this.#target = target;
  }

  async writeUntil(seconds: number): Promise<void> {
    const limit = this.#ticks(seconds);
    while (await this.#peek()) {
      if (this.#packet.pts + this.#packet.duration > limit) return;
      await this.#write();
    }
  }

  async finish(seconds: number): Promise<void> {
    const limit = this.#ticks(seconds);
    await this.writeUntil(seconds);
    if ((await this.#peek()) && this.#packet.pts < limit) {
      this.#cut(limit - this.#packet.pts);
      await this.#write();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#packet.free();
    await this.#input[Symbol.asyncDispose]();
  }

  #ticks(seconds: number): bigint {
    return BigInt(Math.round((seconds * this.#timeBase.den) / this.#timeBase.num));
  }

  /** Reads the next packet, if none is held, and brings its time to the output's. */
  async #peek(): Promise<boolean> {
    while (!this.#pending && !this.#ended) {
      const result = await this.#input.context.readFrame(this.#packet);
      if (result < 0) {
        this.#ended = true;
        if (result !== AVERROR_EOF) {
          checkResult(result, "invalid_media", `${this.#input.path} is damaged`, DAMAGED_HINT);
        }
      } else if (this.#packet.streamIndex === this.#source.index) {
        this.#moveToOutputTime();
        this.#pending = true;
      } else this.#packet.unref();
    }
    return this.#pending;
  }

  #moveToOutputTime(): void {
    const packet = this.#packet;
    if (this.#origin === undefined) {
      const start = packet.pts === AV_NOPTS_VALUE ? 0n : packet.pts;
      this.#origin = start + this.#skippedTicks();
      this.#nextPts = start;
    }
    const pts = packet.pts === AV_NOPTS_VALUE ? this.#nextPts : packet.pts;
    this.#nextPts = pts + packet.duration;
    packet.pts = pts - this.#origin;
    packet.dts = packet.pts;
  }

  /** Length of the encoder's run-in at the start, which players leave out. */
  #skippedTicks(): bigint {
    // Vorbis decodes its first packet to nothing: it only prepares for the second one.
    if (this.#source.codecpar.codecId === AV_CODEC_ID_VORBIS) return this.#packet.duration;
    const side = this.#packet.getSideData(AV_PKT_DATA_SKIP_SAMPLES);
    if (!side || side.length < 4) return 0n;
    const seconds = side.readUInt32LE(0) / this.#source.codecpar.sampleRate;
    return this.#ticks(seconds);
  }

  /** Shortens the last packet: PCM by its samples, else by its time alone. */
  #cut(duration: bigint): void {
    const packet = this.#packet;
    const { data } = packet;
    const codec = avGetCodecName(this.#source.codecpar.codecId) ?? "";
    if (data && codec.startsWith("pcm_") && packet.duration > 0n) {
      const { channelLayout, sampleRate } = this.#source.codecpar;
      const seconds = (Number(duration) * this.#timeBase.num) / this.#timeBase.den;
      const total = (Number(packet.duration) * this.#timeBase.num) / this.#timeBase.den;
      const blockBytes = Math.round(data.length / (total * sampleRate));
      if (blockBytes >= channelLayout.nbChannels) {
        packet.data = Buffer.from(
          data.subarray(0, Math.floor(seconds * sampleRate + 1e-6) * blockBytes),
        );
      }
    }
    packet.duration = duration;
  }

  async #write(): Promise<void> {
    if (!this.#muxer || !this.#target) {
      throw new LatentSyncError("runtime", "Sound was written before it was attached.");
    }
    await this.#muxer.write(this.#packet, this.#target, this.#timeBase);
    this.#packet.unref();
    this.#pending = false;
  }
}
