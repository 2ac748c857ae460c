import type { Frame } from "node-av/lib";
import { MediaReader } from "./media-reader.ts";
import { MonoResampler, speechSampleRateHz } from "./mono-resampler.ts";
import { invalidSound, openSoundFile } from "./sound-file.ts";
import { type PcmEncoding, readWavHeader } from "./wav-header.ts";
import { readWavFrames } from "./wav-reader.ts";

/** Largest block that {@link decodeSpeech} yields: one second. */
const BLOCK_SAMPLES = speechSampleRateHz;

/** WAVE files up to this size go through wavefile; FFmpeg is faster on larger ones, but reads RIFX wrongly. */
const WAVEFILE_BYTES = 64 * 1024 * 1024;

/** What a sound file holds, as its header says. */
export interface SoundInfo {
  /** `undefined` if the container does not tell. */
  readonly durationSeconds: number | undefined;
  /** Rate of the file, before resampling. */
  readonly sampleRateHz: number;
  readonly channels: number;
  /** Name of the codec in FFmpeg's words, such as `pcm_s16le` or `aac`. */
  readonly codec: string;
}

async function* readFrames(
  path: string,
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<Frame> {
  const file = await openSoundFile(path);
  await using _ = { [Symbol.asyncDispose]: () => file.handle.close() };
  const header = await readWavHeader(file);
  const isSmall = header !== undefined && header.dataBytes <= WAVEFILE_BYTES;
  if (header?.encoding !== undefined && (isSmall || header.container === "RIFX")) {
    yield* readWavFrames(file, header, header.encoding, options);
  } else {
    await using reader = await MediaReader.open(path, options);
    yield* reader.frames(options);
  }
}

/** Collects 16-bit samples into float blocks of one size. */
class BlockBuilder {
  #block: Float32Array = new Float32Array(BLOCK_SAMPLES);
  #length = 0;

  *append(samples: Int16Array): Generator<Float32Array> {
    for (let start = 0; start < samples.length;) {
      const count = Math.min(samples.length - start, BLOCK_SAMPLES - this.#length);
      for (let index = 0; index < count; index++) {
        this.#block[this.#length + index] = (samples[start + index] as number) / 32_768;
      }
      start += count;
      this.#length += count;
      if (this.#length === BLOCK_SAMPLES) {
        yield this.#block;
        this.#block = new Float32Array(BLOCK_SAMPLES);
        this.#length = 0;
      }
    }
  }

  *finish(): Generator<Float32Array> {
    if (this.#length > 0) yield this.#block.subarray(0, this.#length);
    this.#length = 0;
  }
}

/**
 * Decodes a local sound file, or a video's sound, to mono float32 at 16 kHz in [-1, 1): what
 * `ffmpeg -i FILE -f s16le -ac 1 -ar 16000` gives, divided by 32768. Uncompressed WAVE files, known
 * by their header and not by their name, are read by wavefile, everything else by FFmpeg.
 *
 * Yields blocks of at most one second, so memory does not depend on the length. Each block is the
 * consumer's.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_media` if the file is broken, cut off, a
 *   playlist, or without sound.
 */
export async function* decodeSpeech(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Float32Array> {
  using resampler = new MonoResampler();
  const blocks = new BlockBuilder();
  let isEmpty = true;
  for await (const owned of readFrames(path, options)) {
    using frame = owned;
    for (const samples of resampler.convert(frame)) {
      isEmpty = false;
      yield* blocks.append(samples);
    }
  }
  options.signal?.throwIfAborted();
  for (const samples of resampler.finish()) {
    isEmpty = false;
    yield* blocks.append(samples);
  }
  yield* blocks.finish();
  if (isEmpty) throw invalidSound(path, "no sound could be decoded from it");
}

const CODEC_NAMES: Readonly<Record<PcmEncoding, readonly [little: string, big: string]>> = {
  uint8: ["pcm_u8", "pcm_u8"],
  int16: ["pcm_s16le", "pcm_s16be"],
  int24: ["pcm_s24le", "pcm_s24be"],
  int32: ["pcm_s32le", "pcm_s32be"],
  float32: ["pcm_f32le", "pcm_f32be"],
  float64: ["pcm_f64le", "pcm_f64be"],
  alaw: ["pcm_alaw", "pcm_alaw"],
  mulaw: ["pcm_mulaw", "pcm_mulaw"],
};

/**
 * Reads what a file says about its sound, without decoding it.
 * @throws LatentSyncError as {@link decodeSpeech}.
 */
export async function probeSound(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SoundInfo> {
  options.signal?.throwIfAborted();
  const file = await openSoundFile(path);
  await using _ = { [Symbol.asyncDispose]: () => file.handle.close() };
  const header = await readWavHeader(file);
  if (header?.encoding === undefined) {
    await using reader = await MediaReader.open(path, options);
    return reader.info;
  }
  return {
    durationSeconds: header.dataBytes / header.bytesPerFrame / header.sampleRateHz,
    sampleRateHz: header.sampleRateHz,
    channels: header.channels,
    codec: CODEC_NAMES[header.encoding][header.container === "RIFX" ? 1 : 0],
  };
}
