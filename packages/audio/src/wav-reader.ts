import {
  AV_CHANNEL_ORDER_NATIVE,
  AV_CHANNEL_ORDER_UNSPEC,
  AV_SAMPLE_FMT_DBL,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_S16,
  AV_SAMPLE_FMT_S32,
  AV_SAMPLE_FMT_U8,
  type AVSampleFormat,
} from "node-av/constants";
import { type ChannelLayout, Frame } from "node-av/lib";
import { invalidSound, type SoundFile } from "./sound-file.ts";
import { bytesPerSample, type PcmEncoding, type WavHeader } from "./wav-header.ts";
import { WaveFile } from "./wave-file.ts";

/** Samples of one channel that are read at a time. */
const BLOCK_FRAMES = 16_384;
const HEADER_BYTES = 44;

/** FFmpeg's own choice of sample format for each encoding, so that mixing rounds alike. */
const SAMPLE_FORMATS: Readonly<Record<PcmEncoding, AVSampleFormat>> = {
  uint8: AV_SAMPLE_FMT_U8,
  int16: AV_SAMPLE_FMT_S16,
  int24: AV_SAMPLE_FMT_S32,
  int32: AV_SAMPLE_FMT_S32,
  float32: AV_SAMPLE_FMT_FLT,
  float64: AV_SAMPLE_FMT_DBL,
  alaw: AV_SAMPLE_FMT_S16,
  mulaw: AV_SAMPLE_FMT_S16,
};

function bytesOf(samples: Int16Array | Int32Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

function toLittleEndian(bytes: Buffer, sampleBytes: number): Buffer {
  if (sampleBytes === 2) return bytes.swap16();
  if (sampleBytes === 4) return bytes.swap32();
  return sampleBytes === 8 ? bytes.swap64() : bytes;
}

/** A whole WAVE file of one block of samples, with a header that is known to be right. */
class WavBlock {
  readonly #header: WavHeader;
  readonly #encoding: PcmEncoding;

  constructor(header: WavHeader, encoding: PcmEncoding) {
    this.#header = header;
    this.#encoding = encoding;
  }

  /** Space for `dataBytes` of sound behind a header. */
  allocate(dataBytes: number): Buffer {
    const file = Buffer.alloc(HEADER_BYTES + dataBytes + (dataBytes % 2));
    const bigEndian = this.#header.container === "RIFX";
    const { channels, sampleRateHz, bytesPerFrame, formatTag } = this.#header;
    const uint16 = (value: number, offset: number): number =>
      bigEndian ? file.writeUInt16BE(value, offset) : file.writeUInt16LE(value, offset);
    const uint32 = (value: number, offset: number): number =>
      bigEndian ? file.writeUInt32BE(value, offset) : file.writeUInt32LE(value, offset);
    file.write(bigEndian ? "RIFX" : "RIFF", 0, "latin1");
    uint32(file.length - 8, 4);
    file.write("WAVEfmt ", 8, "latin1");
    uint32(16, 16);
    uint16(formatTag, 20);
    uint16(channels, 22);
    uint32(sampleRateHz, 24);
    uint32(Math.min(sampleRateHz * bytesPerFrame, 0xffff_ffff), 28);
    uint16(bytesPerFrame, 32);
    uint16(bytesPerSample[this.#encoding] * 8, 34);
    file.write("data", 36, "latin1");
    uint32(dataBytes, 40);
    return file;
  }

  /** Interleaved little-endian samples in the encoding's `SAMPLE_FORMATS`. */
  decode(file: Buffer): Buffer {
    const wave = new WaveFile();
    wave.fromBuffer(file);
    const encoding = this.#encoding;
    if (encoding === "alaw" || encoding === "mulaw") {
      if (encoding === "alaw") wave.fromALaw("16");
      else wave.fromMuLaw("16");
      return bytesOf(wave.getSamples(true, Int16Array) as unknown as Int16Array);
    }
    if (encoding === "int24") {
      const samples = wave.getSamples(true, Int32Array) as unknown as Int32Array;
      return bytesOf(samples.map((sample) => sample * 256));
    }
    // Nothing to convert, and `getSamples` takes half a microsecond for each float.
    const { samples } = wave.data as { readonly samples: Buffer };
    return this.#header.container === "RIFX"
      ? toLittleEndian(samples, bytesPerSample[encoding])
      : samples;
  }
}

function channelLayout(header: WavHeader): ChannelLayout {
  let speakers = 0;
  for (let bits = header.channelMask; bits !== 0; bits >>>= 1) speakers += bits & 1;
  // As in FFmpeg, a mask that does not fit the number of channels is not believed.
  return speakers === header.channels
    ? {
        nbChannels: header.channels,
        order: AV_CHANNEL_ORDER_NATIVE,
        mask: BigInt(header.channelMask),
      }
    : { nbChannels: header.channels, order: AV_CHANNEL_ORDER_UNSPEC, mask: 0n };
}

async function readFully(
  file: SoundFile,
  bytes: Buffer,
  length: number,
  position: number,
): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.handle.read(
      bytes,
      HEADER_BYTES + done,
      length - done,
      position + done,
    );
    if (bytesRead === 0) throw invalidSound(file.path, "the file became shorter while it was read");
    done += bytesRead;
  }
}

/**
 * Samples of a WAVE file as FFmpeg frames, a block at a time, so that memory does not depend on
 * the file's length. The consumer disposes each frame.
 */
export async function* readWavFrames(
  file: SoundFile,
  header: WavHeader,
  encoding: PcmEncoding,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Frame> {
  const block = new WavBlock(header, encoding);
  const layout = channelLayout(header);
  const blockBytes = BLOCK_FRAMES * header.bytesPerFrame;
  for (let offset = 0; offset < header.dataBytes; offset += blockBytes) {
    options.signal?.throwIfAborted();
    const dataBytes = Math.min(blockBytes, header.dataBytes - offset);
    const bytes = block.allocate(dataBytes);
    await readFully(file, bytes, dataBytes, header.dataOffset + offset);
    yield Frame.fromAudioBuffer(block.decode(bytes), {
      nbSamples: dataBytes / header.bytesPerFrame,
      format: SAMPLE_FORMATS[encoding],
      sampleRate: header.sampleRateHz,
      channelLayout: layout,
    });
  }
}
