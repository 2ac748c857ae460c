/**
 * Headers of RIFF, RIFX, RF64 and BW64 WAVE files. They are checked here, before a byte of sound is
 * read, because a header may claim anything.
 */
import { invalidSound, type SoundFile } from "./sound-file.ts";

/** Sample encodings that need no codec. Integers wider than 8 bits are signed. */
export type PcmEncoding =
  | "uint8"
  | "int16"
  | "int24"
  | "int32"
  | "float32"
  | "float64"
  | "alaw"
  | "mulaw";

export interface WavHeader {
  /** `RIFX` is big-endian; the others are little-endian. */
  readonly container: "RIFF" | "RIFX" | "RF64" | "BW64";
  /** The format tag, that of the sub-format for an extensible header. */
  readonly formatTag: number;
  /** `undefined` if the samples are compressed with a codec of its own. */
  readonly encoding: PcmEncoding | undefined;
  readonly channels: number;
  readonly sampleRateHz: number;
  /** Speaker positions as in WAVE_FORMAT_EXTENSIBLE; 0 if not given. */
  readonly channelMask: number;
  /** Size of one sample of every channel. */
  readonly bytesPerFrame: number;
  readonly dataOffset: number;
  /** Bytes of sound that the file holds, whole frames only if `encoding` is known. */
  readonly dataBytes: number;
}

/** Bytes of one sample. */
export const bytesPerSample: Readonly<Record<PcmEncoding, number>> = {
  uint8: 1,
  int16: 2,
  int24: 3,
  int32: 4,
  float32: 4,
  float64: 8,
  alaw: 1,
  mulaw: 1,
};

/** Rates that the resampler is allowed to be asked for. */
const LOWEST_RATE_HZ = 100;
const HIGHEST_RATE_HZ = 1_536_000;
/** The resampler's own limit. */
const MOST_CHANNELS = 64;
const MOST_CHUNKS = 10_000;
/** Lengths that writers leave behind when they cannot seek back: unknown, up to the end of the file. */
const UNKNOWN_LENGTHS: ReadonlySet<number> = new Set([
  0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0x7fff_f000,
]);
const EXTENSIBLE = 0xfffe;
/** Bytes 2 to 15 of the sub-format GUIDs whose first two bytes are a format tag. */
const TAG_GUID_TAIL = "000000001000800000aa00389b71";

class ByteReader {
  readonly #view: DataView;
  readonly #littleEndian: boolean;

  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
  }

  uint16(offset: number): number {
    return this.#view.getUint16(offset, this.#littleEndian);
  }

  uint32(offset: number): number {
    return this.#view.getUint32(offset, this.#littleEndian);
  }

  uint64(offset: number): number {
    return Number(this.#view.getBigUint64(offset, this.#littleEndian));
  }
}

async function readBytes(file: SoundFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.handle.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}

function containerOf(start: Buffer): WavHeader["container"] | undefined {
  if (start.length < 12 || start.toString("latin1", 8, 12) !== "WAVE") return undefined;
  const name = start.toString("latin1", 0, 4);
  return name === "RIFF" || name === "RIFX" || name === "RF64" || name === "BW64"
    ? name
    : undefined;
}

interface Format {
  readonly formatTag: number;
  readonly channels: number;
  readonly sampleRateHz: number;
  readonly bytesPerFrame: number;
  readonly bitsPerSample: number;
  readonly channelMask: number;
}

function parseFormat(path: string, bytes: Buffer, littleEndian: boolean): Format {
  if (bytes.length < 16) {
    throw invalidSound(path, `its fmt chunk has ${bytes.length} bytes instead of 16 or more`);
  }
  const reader = new ByteReader(bytes, littleEndian);
  let formatTag = reader.uint16(0);
  let channelMask = 0;
  if (formatTag === EXTENSIBLE) {
    if (bytes.length < 40) {
      throw invalidSound(
        path,
        `its extensible fmt chunk has ${bytes.length} bytes instead of 40 or more`,
      );
    }
    channelMask = reader.uint32(20);
    if (bytes.toString("hex", 26, 40) === TAG_GUID_TAIL || !littleEndian) {
      formatTag = reader.uint32(24) & 0xffff;
    }
  }
  return {
    formatTag,
    channels: reader.uint16(2),
    sampleRateHz: reader.uint32(4),
    bytesPerFrame: reader.uint16(12),
    bitsPerSample: reader.uint16(14),
    channelMask,
  };
}

function encodingOf(formatTag: number, bitsPerSample: number): PcmEncoding | undefined {
  if (formatTag === 1) {
    return ([undefined, "uint8", "int16", "int24", "int32"] as const)[Math.ceil(bitsPerSample / 8)];
  }
  if (formatTag === 3) {
    return bitsPerSample === 32 ? "float32" : bitsPerSample === 64 ? "float64" : undefined;
  }
  if (bitsPerSample === 8 && formatTag === 6) return "alaw";
  return bitsPerSample === 8 && formatTag === 7 ? "mulaw" : undefined;
}

function checkFormat(path: string, format: Format, encoding: PcmEncoding | undefined): void {
  const { channels, sampleRateHz, bytesPerFrame } = format;
  if (channels < 1 || channels > MOST_CHANNELS) {
    throw invalidSound(path, `its header claims ${channels} channels; 1 to ${MOST_CHANNELS} work`);
  }
  checkSampleRate(path, sampleRateHz);
  if (encoding !== undefined && bytesPerFrame !== channels * bytesPerSample[encoding]) {
    throw invalidSound(
      path,
      `its header claims ${bytesPerFrame} bytes for ${channels} ${encoding} samples instead of ${channels * bytesPerSample[encoding]}`,
    );
  }
}

/** @throws LatentSyncError `invalid_media` unless the rate is one that can be resampled. */
export function checkSampleRate(path: string, sampleRateHz: number): void {
  if (sampleRateHz < LOWEST_RATE_HZ || sampleRateHz > HIGHEST_RATE_HZ) {
    throw invalidSound(
      path,
      `its header claims a rate of ${sampleRateHz} Hz; ${LOWEST_RATE_HZ} to ${HIGHEST_RATE_HZ} work`,
    );
  }
}

interface Chunks {
  readonly format: Format | undefined;
  readonly dataOffset: number;
  /** As claimed; `undefined` if the writer did not know it. */
  readonly dataBytes: number | undefined;
}

async function readChunks(
  file: SoundFile,
  start: Buffer,
  container: WavHeader["container"],
): Promise<Chunks> {
  const littleEndian = container !== "RIFX";
  const wide = container === "RF64" || container === "BW64";
  const riffBytes = new ByteReader(start, littleEndian).uint32(4);
  let format: Format | undefined;
  let wideDataBytes: number | undefined;
  let position = 12;
  for (let count = 0; count < MOST_CHUNKS && position + 8 <= file.sizeBytes; count++) {
    const head = await readBytes(file, position, 8 + 40);
    const bytes = new ByteReader(head, littleEndian).uint32(4);
    const name = head.toString("latin1", 0, 4);
    const body = head.subarray(8, Math.min(head.length, 8 + bytes));
    if (name === "fmt ") format = parseFormat(file.path, body, littleEndian);
    if (name === "ds64" && wide && body.length >= 16) {
      wideDataBytes = new ByteReader(body, true).uint64(8);
    }
    if (name === "data") {
      const unknown =
        UNKNOWN_LENGTHS.has(bytes) ||
        (bytes === 0 && (riffBytes === 0 || UNKNOWN_LENGTHS.has(riffBytes)));
      const dataBytes = wide && bytes === 0xffff_ffff ? wideDataBytes : bytes;
      return {
        format,
        dataOffset: position + 8,
        dataBytes: !wide && unknown ? undefined : dataBytes,
      };
    }
    position += 8 + bytes + (bytes % 2);
  }
  throw invalidSound(
    file.path,
    format === undefined ? "its header has no fmt chunk" : "it has no data chunk",
  );
}

function availableData(
  file: SoundFile,
  chunks: Chunks,
  bytesPerFrame: number,
): Pick<WavHeader, "dataOffset" | "dataBytes"> {
  const present = file.sizeBytes - chunks.dataOffset;
  const claimed = chunks.dataBytes ?? present;
  if (claimed - present > bytesPerFrame) {
    throw invalidSound(
      file.path,
      `its header claims ${claimed} bytes of sound, but ${present} are there: the file is cut off`,
    );
  }
  const dataBytes = Math.floor(Math.min(claimed, present) / bytesPerFrame) * bytesPerFrame;
  if (dataBytes === 0) throw invalidSound(file.path, "its data chunk holds no whole sample");
  return { dataOffset: chunks.dataOffset, dataBytes };
}

/**
 * Reads and checks the header of a WAVE file; `undefined` if the file is something else, whatever
 * its name. A length that its writer left open (as FFmpeg does into a pipe) means: up to the end.
 * @throws LatentSyncError `invalid_media` if the header is broken or lies.
 */
export async function readWavHeader(file: SoundFile): Promise<WavHeader | undefined> {
  const start = await readBytes(file, 0, 12);
  const container = containerOf(start);
  if (container === undefined) return undefined;
  const chunks = await readChunks(file, start, container);
  if (chunks.format === undefined) {
    throw invalidSound(file.path, "its header has no fmt chunk before the data chunk");
  }
  const { formatTag, channels, sampleRateHz, bitsPerSample, channelMask } = chunks.format;
  const encoding = encodingOf(formatTag, bitsPerSample);
  checkFormat(file.path, chunks.format, encoding);
  if (encoding === undefined && container === "RIFX") {
    throw invalidSound(file.path, `its codec ${formatTag} is not read from big-endian files`);
  }
  const bytesPerFrame =
    encoding === undefined
      ? Math.max(1, chunks.format.bytesPerFrame)
      : channels * bytesPerSample[encoding];
  return {
    container,
    formatTag,
    encoding,
    channels,
    sampleRateHz,
    channelMask,
    bytesPerFrame,
    ...availableData(file, chunks, bytesPerFrame),
  };
}
