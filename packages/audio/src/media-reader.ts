import { resolve } from "node:path";
import {
  AV_DISPOSITION_DEFAULT,
  AV_LOG_INFO,
  AV_LOG_QUIET,
  AVDISCARD_ALL,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVMEDIA_TYPE_AUDIO,
} from "node-av/constants";
import {
  avGetCodecName,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  type Stream,
} from "node-av/lib";
import { invalidSound } from "./sound-file.ts";
import { checkSampleRate } from "./wav-header.ts";

/**
 * Demuxers that read one file and nothing else. Playlists and formats that name further files or
 * addresses (HLS, DASH, concat, SDP, image sequences) stay out: a media file that somebody
 * uploaded must not make FFmpeg open what it likes.
 */
const FORMATS =
  "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gsm,gxf,ircam," +
  "loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,qcp,rm,sox,tak,truehd,tta,voc,w64," +
  "wav,webm,wtv,wv,xwma";

const UNKNOWN_TIME = -(2n ** 63n);

/** What a container says about its sound. */
export interface MediaSoundInfo {
  readonly durationSeconds: number | undefined;
  readonly sampleRateHz: number;
  readonly channels: number;
  /** FFmpeg's name of the codec. */
  readonly codec: string;
}

/** FFmpeg's own lines would get between the caller's; a level that somebody chose stays. */
function silenceFfmpeg(): void {
  if (Log.getLevel() === AV_LOG_INFO) Log.setLevel(AV_LOG_QUIET);
}

/** The choice of FFmpeg's command line: the default track, then the one with most channels. */
function chooseAudio(streams: readonly Stream[]): Stream | undefined {
  let best: Stream | undefined;
  let bestScore = -1;
  for (const stream of streams) {
    if (stream.codecpar.codecType !== AVMEDIA_TYPE_AUDIO) continue;
    const isDefault = stream.hasDisposition(AV_DISPOSITION_DEFAULT);
    const score = stream.codecpar.channelLayout.nbChannels + (isDefault ? 1_000_000 : 0);
    if (score > bestScore) {
      best = stream;
      bestScore = score;
    }
  }
  return best;
}

/**
 * One audio track of a local media file, decoded by FFmpeg. The packet loop is written out, since
 * node-av's `Demuxer.packets` reads ahead and spins while its consumer does something else.
 */
export class MediaReader implements AsyncDisposable {
  readonly #path: string;
  readonly #format: FormatContext;
  readonly #stream: Stream;

  private constructor(path: string, format: FormatContext, stream: Stream) {
    this.#path = path;
    this.#format = format;
    this.#stream = stream;
  }

  /** @throws LatentSyncError `invalid_media` if FFmpeg cannot read the file or it has no sound. */
  static async open(
    path: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<MediaReader> {
    silenceFfmpeg();
    const format = new FormatContext();
    try {
      await MediaReader.#openInput(path, format);
      options.signal?.throwIfAborted();
      FFmpegError.throwIfError(await format.findStreamInfo(null), "avformat_find_stream_info");
      options.signal?.throwIfAborted();
      const stream = chooseAudio(format.streams);
      if (stream === undefined) {
        throw invalidSound(path, "it has no audio track", { hint: "Pass a file with sound." });
      }
      checkSampleRate(path, stream.codecpar.sampleRate);
      for (const other of format.streams) {
        if (other.index !== stream.index) other.discard = AVDISCARD_ALL;
      }
      return new MediaReader(path, format, stream);
    } catch (error) {
      await format.closeInput();
      throw error instanceof FFmpegError
        ? invalidSound(path, `FFmpeg says "${error.message}"`, { cause: error })
        : error;
    }
  }

  static async #openInput(path: string, format: FormatContext): Promise<void> {
    using dictionary = Dictionary.fromObject({
      protocol_whitelist: "file",
      format_whitelist: FORMATS,
      // QuickTime files may name others that hold their sound.
      enable_drefs: 0,
    });
    const status = await format.openInput(resolve(path), null, dictionary);
    if (status < 0) {
      const error = new FFmpegError(status);
      throw invalidSound(path, `FFmpeg finds no sound or video in it ("${error.message}")`, {
        cause: error,
        hint: "Pass a WAV, FLAC, MP3, M4A, Ogg, MP4, MKV, WebM or MOV file; playlists are not followed.",
      });
    }
  }

  get info(): MediaSoundInfo {
    const { codecpar, duration, timeBase } = this.#stream;
    const whole = this.#format.duration;
    return {
      durationSeconds:
        duration > 0n
          ? (Number(duration) * timeBase.num) / timeBase.den
          : whole === UNKNOWN_TIME || whole <= 0n
            ? undefined
            : Number(whole) / 1_000_000,
      sampleRateHz: codecpar.sampleRate,
      channels: codecpar.channelLayout.nbChannels,
      codec: avGetCodecName(codecpar.codecId) ?? "unknown",
    };
  }

  #openDecoder(): CodecContext {
    const { codecpar, timeBase } = this.#stream;
    const codec = Codec.findDecoder(codecpar.codecId);
    if (codec === null) {
      throw invalidSound(this.#path, `FFmpeg has no decoder for its codec ${this.info.codec}`);
    }
    const context = new CodecContext();
    try {
      context.allocContext3(codec);
      FFmpegError.throwIfError(context.parametersToContext(codecpar), "codec parameters");
      context.pktTimebase = timeBase;
      FFmpegError.throwIfError(context.open2Sync(codec, null), "avcodec_open2");
      return context;
    } catch (cause) {
      context.freeContext();
      throw invalidSound(this.#path, `its codec ${this.info.codec} cannot be opened`, { cause });
    }
  }

  /**
   * Decoded frames in order, once. Packets that cannot be decoded are left out, as FFmpeg's command
   * line does. The consumer disposes each frame.
   */
  async *frames(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Frame> {
    using decoder = this.#openDecoder();
    using packet = new Packet();
    packet.alloc();
    for (;;) {
      options.signal?.throwIfAborted();
      const status = await this.#format.readFrame(packet);
      if (status === AVERROR_EAGAIN) continue;
      if (status < 0) break;
      const isAudio = packet.streamIndex === this.#stream.index;
      if (isAudio) decoder.sendPacketSync(packet);
      packet.unref();
      if (isAudio) yield* this.#drain(decoder);
    }
    decoder.sendPacketSync(null);
    yield* this.#drain(decoder);
  }

  *#drain(decoder: CodecContext): Generator<Frame> {
    for (;;) {
      const frame = new Frame();
      frame.alloc();
      const status = decoder.receiveFrameSync(frame);
      if (status >= 0) {
        yield frame;
        continue;
      }
      frame.free();
      if (status === AVERROR_EAGAIN || status === AVERROR_EOF) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#format.closeInput();
  }
}
