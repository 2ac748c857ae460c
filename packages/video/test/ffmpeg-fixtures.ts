/** Small videos and sounds, made through node-av's own encoders apart from the code under test. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ImagePatch,
  LatentSyncError,
  type RgbImage,
  type VideoFrame,
  type VideoReader,
  type VideoReadOptions,
  type VideoSink,
  type VideoWriterOptions,
} from "@ls/core";
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_FRAME_FLAG_INTERLACED,
  AV_FRAME_FLAG_TOP_FIELD_FIRST,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVFMT_GLOBALHEADER,
  type AVColorRange,
  type AVColorSpace,
  type AVMediaType,
  type FFVideoEncoder,
} from "node-av/constants";
import {
  avGetPixFmtFromName,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Packet,
  Rational,
} from "node-av/lib";
import { afterAll, beforeAll, expect } from "vitest";
import { createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { MediaInput } from "../src/ffmpeg/media-input.ts";

/** Value of a component (0 = luma or red, ...) at a pixel of a frame, for 8 bits. */
export type Pattern = (component: number, x: number, y: number, index: number) => number;

export interface TestVideo {
  readonly path: string;
  readonly encoder: FFVideoEncoder;
  /** FFmpeg's name of a planar or packed format of 8 bits, or a planar one of 10. */
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  readonly pattern?: Pattern;
  /** Presentation time of a frame in milliseconds; default 40 * index. */
  readonly timeMs?: (index: number) => number;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly colorSpace?: AVColorSpace;
  readonly colorRange?: AVColorRange;
  readonly sampleAspectRatio?: Rational;
  /** Whether a frame is flagged as two fields, the top one first. */
  readonly interlaced?: (index: number) => boolean;
  /** A 3x3 display matrix, row-major, in the units of FFmpeg. */
  readonly displayMatrix?: readonly number[];
}

export function check(result: number): number {
  FFmpegError.throwIfError(result);
  return result;
}

/** A pattern that moves, without sharp edges. */
const moving: Pattern = (component, x, y, index) =>
  128 + 60 * Math.sin((x + 4 * index) / 11 + component) * Math.cos((y - index) / 9);

function fill(frame: Frame, video: TestVideo, index: number): void {
  const pattern = video.pattern ?? moving;
  const data = frame.data ?? [];
  const ten = video.format.includes("10le");
  const packed = { rgb24: 3, bgr0: 4, bgra: 4 }[video.format];
  const components = video.format === "bgra" ? 4 : 3;
  const across = /42[02]p/.test(video.format) ? 1 : 0;
  const down = video.format.includes("420p") ? 1 : 0;
  for (const [component, plane] of data.entries()) {
    const stride = frame.linesize[component] ?? 0;
    const isChroma = component === 1 || component === 2;
    const shiftX = isChroma ? across : 0;
    const shiftY = isChroma ? down : 0;
    const columns = -(-video.width >> shiftX);
    const rows = -(-video.height >> shiftY);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = row * stride;
        if (packed !== undefined) {
          for (let c = 0; c < components; c++) {
            plane[at + column * packed + c] = pattern(c, column, row, index);
          }
        } else if (ten) {
          const value = Math.round(4 * pattern(component, column << shiftX, row << shiftY, index));
          plane.writeUInt16LE(value, at + column * 2);
        } else plane[at + column] = pattern(component, column << shiftX, row << shiftY, index);
      }
    }
  }
}

async function openEncoder(video: TestVideo, globalHeader: boolean): Promise<CodecContext> {
  const codec = Codec.findEncoderByName(video.encoder);
  if (!codec) throw new Error(`no encoder ${video.encoder}`);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = video.width;
  context.height = video.height;
  context.pixelFormat = avGetPixFmtFromName(video.format);
  context.timeBase = new Rational(1, 1000);
  context.framerate = new Rational(25, 1);
  context.gopSize = 10;
  context.threadCount = 1;
  if (video.colorSpace !== undefined) context.colorSpace = video.colorSpace;
  if (video.colorRange !== undefined) context.colorRange = video.colorRange;
  if (video.sampleAspectRatio) context.sampleAspectRatio = video.sampleAspectRatio;
  if (globalHeader) context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  using settings = Dictionary.fromObject(video.settings ?? {});
  check(await context.open2(codec, settings));
  return context;
}

/** Writes a video without sound. */
export async function writeVideo(video: TestVideo): Promise<string> {
  await using output = new FormatContext();
  check(output.allocOutputContext2(null, null, video.path));
  check(await output.openOutput());
  using encoder = await openEncoder(video, output.oformat?.hasFlags(AVFMT_GLOBALHEADER) ?? false);
  const stream = output.newStream();
  check(stream.codecpar.fromContext(encoder));
  stream.timeBase = encoder.timeBase;
  stream.sampleAspectRatio = encoder.sampleAspectRatio;
  if (video.displayMatrix) {
    const matrix = Buffer.from(Int32Array.from(video.displayMatrix).buffer);
    check(stream.codecpar.addCodedSideData(AV_PKT_DATA_DISPLAYMATRIX, matrix));
  }
  check(await output.writeHeader());
  using packet = new Packet();
  packet.alloc();
  const drain = async (): Promise<void> => {
    while (encoder.receivePacketSync(packet) >= 0) {
      packet.streamIndex = stream.index;
      if (packet.duration === 0n) packet.duration = 40n;
      packet.rescaleTs(encoder.timeBase, stream.timeBase);
      check(await output.interleavedWriteFrame(packet));
    }
  };
  const timeMs = video.timeMs ?? ((index: number) => 40 * index);
  for (let index = 0; index < video.frameCount; index++) {
    using frame = new Frame();
    frame.alloc();
    frame.format = encoder.pixelFormat;
    frame.width = video.width;
    frame.height = video.height;
    check(frame.getBuffer(0));
    fill(frame, video, index);
    if (video.interlaced?.(index) === true) {
      frame.setFlags(AV_FRAME_FLAG_INTERLACED, AV_FRAME_FLAG_TOP_FIELD_FIRST);
    }
    frame.pts = BigInt(timeMs(index));
    frame.duration = BigInt(timeMs(index + 1) - timeMs(index));
    check(encoder.sendFrameSync(frame));
    await drain();
  }
  check(encoder.sendFrameSync(null));
  await drain();
  check(await output.writeTrailer());
  await output.closeOutput();
  return video.path;
}

/** A 16-bit WAV file, by default of 16 kHz and one channel; `sample` gives -1 to 1. */
export async function writeWav(
  path: string,
  options: {
    readonly sampleRateHz?: number;
    readonly channels?: number;
    readonly seconds: number;
    readonly sample?: (index: number) => number;
  },
): Promise<string> {
  const { sampleRateHz = 16_000, channels = 1, seconds } = options;
  const sample = options.sample ?? ((index: number) => 0.3 * Math.sin(index / 20));
  const count = Math.round(sampleRateHz * seconds);
  const file = Buffer.alloc(44 + count * channels * 2);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(channels, 22);
  file.writeUInt32LE(sampleRateHz, 24);
  file.writeUInt32LE(sampleRateHz * channels * 2, 28);
  file.writeUInt16LE(channels * 2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(file.length - 44, 40);
  for (let index = 0; index < count * channels; index++) {
    const value = sample(Math.floor(index / channels));
    file.writeInt16LE(Math.round(value * 32_767), 44 + index * 2);
  }
  await writeFile(path, file);
  return path;
}

/** A folder for the files of a suite. */
export function useFolder(): (name: string) => string {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ffmpeg-test-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

export async function listFolder(path: string): Promise<string[]> {
  return (await readdir(path)).sort();
}

export async function readAll(
  reader: VideoReader,
  range: { start?: number; end?: number } = {},
): Promise<RgbImage[]> {
  const images: RgbImage[] = [];
  for await (const frame of reader.frames(range)) {
    using owned = frame;
    images.push(await owned.toRgb());
  }
  return images;
}

/** Frames of a file as RGB. */
export async function decode(path: string): Promise<RgbImage[]> {
  await using reader = await createFfmpegVideoSource().open(path);
  return await readAll(reader);
}

export interface CopyOptions extends Omit<VideoWriterOptions, "source">, VideoReadOptions {
  readonly sink: VideoSink;
  /** Patches over a frame. Default: none. */
  readonly edit?: (frame: VideoFrame) => Promise<readonly ImagePatch[]>;
}

/**
 * Copies a video through the reader and a writer: every frame, at its own time if `framesPerSecond`
 * is `source`.
 * @returns the path of the copy.
 */
export async function copyVideo(input: string, options: CopyOptions): Promise<string> {
  const { sink, edit, ...files } = options;
  await using source = await createFfmpegVideoSource().open(input, options);
  await using writer = await sink.create({ ...files, source });
  for await (const decoded of source.frames()) {
    using frame = decoded;
    const timeSeconds = options.framesPerSecond === "source" ? frame.timeSeconds : undefined;
    await writer.write(frame, await edit?.(frame), timeSeconds);
  }
  await writer.finish();
  return options.path;
}

export async function firstFrame(reader: VideoReader): Promise<VideoFrame> {
  for await (const frame of reader.frames({ end: 1 })) return frame;
  throw new Error("no frame");
}

/** The error that a promise rejects with, which must be a `LatentSyncError`. */
export async function latentSyncError(promise: Promise<unknown>): Promise<LatentSyncError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (LatentSyncError.is(error)) return error;
  throw new Error("expected a LatentSyncError", { cause: error });
}

export function pixel(image: RgbImage, x: number, y: number): readonly number[] {
  const at = (y * image.width + x) * 3;
  return [...image.data.subarray(at, at + 3)];
}

export function expectNear(
  actual: readonly number[],
  expected: readonly number[],
  by: number,
): void {
  for (const [index, value] of actual.entries()) {
    expect(Math.abs(value - (expected[index] ?? Number.NaN))).toBeLessThanOrEqual(by);
  }
}

/** Time and duration of a packet in seconds. */
export type PacketTime = readonly [time: number, duration: number];

/** The packets of the best stream of a type, in the order of the file. */
export async function packetTimes(path: string, type: AVMediaType): Promise<PacketTime[]> {
  await using input = await MediaInput.open(path);
  const stream = input.bestStream(type);
  if (!stream) throw new Error("no such stream");
  const tick = stream.timeBase.toDouble();
  using packet = new Packet();
  packet.alloc();
  const found: PacketTime[] = [];
  while ((await input.context.readFrame(packet)) >= 0) {
    if (packet.streamIndex === stream.index) {
      found.push([Number(packet.pts) * tick, Number(packet.duration) * tick]);
    }
    packet.unref();
  }
  return found;
}
