/** Pictures, a sound and a file of them, for the suites of the video seam. */
import { readdir } from "node:fs/promises";
import {
  cropImage,
  type ImagePatch,
  LatentSyncError,
  type LatentSyncErrorCode,
  type Rectangle,
  type RgbImage,
  type VideoFrame,
  type VideoReader,
  type VideoSink,
  type VideoSource,
  type VideoWriter,
} from "@ls/core";
import { expect } from "vitest";

export interface VideoConformanceOptions {
  readonly source: VideoSource;
  readonly sink: VideoSink;
  /** Extension of the sink's files with the dot; default `.mp4`. */
  readonly extension?: string;
  /** Whether the sink gives pixels back exactly. */
  readonly lossless?: boolean;
}

export const WIDTH: number = 96;
export const HEIGHT: number = 64;
export const FRAMES: number = 12;
export const PATCH: Rectangle = { x: 32, y: 16, width: 32, height: 24 };
/** What an encode at good quality keeps of smooth pictures. */
export const LOSSY_PSNR: number = 30;

export interface Fixture {
  readonly options: VideoConformanceOptions;
  /** Path of a new file in the suite's folder. */
  path(name: string): string;
  /** A WAV file longer than the pictures. */
  readonly sound: string;
  /** A video of `FRAMES` pictures. */
  readonly video: string;
}

/** A smooth picture that differs from frame to frame. */
export function picture(index: number): RgbImage {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let at = 0; at < data.length; at++) {
    const x = Math.floor(at / 3) % WIDTH;
    const y = Math.floor(at / 3 / WIDTH);
    data[at] = 128 + 70 * Math.sin((x + 3 * index) / 17 + (at % 3)) * Math.cos(y / 13);
  }
  return { width: WIDTH, height: HEIGHT, data };
}

export class PictureFrame implements VideoFrame {
  readonly index: number;
  readonly timeSeconds: number;
  readonly width: number = WIDTH;
  readonly height: number = HEIGHT;

  constructor(index: number) {
    this.index = index;
    this.timeSeconds = index / 25;
  }

  toRgb(region: Rectangle = { x: 0, y: 0, width: WIDTH, height: HEIGHT }): Promise<RgbImage> {
    const { width, height, data } = cropImage(picture(this.index), region);
    return Promise.resolve({ width, height, data });
  }

  clone(): VideoFrame {
    return new PictureFrame(this.index);
  }

  [Symbol.dispose](): void {}
}

/** A reader of another implementation than the one under test. */
export const pictures: VideoReader = {
  info: {
    width: WIDTH,
    height: HEIGHT,
    framesPerSecond: 25,
    estimatedFrameCount: FRAMES,
    description: "pictures drawn by the conformance suite",
  },
  async *frames({ start = 0, end = FRAMES }: { start?: number; end?: number } = {}) {
    for (let index = start; index < Math.min(end, FRAMES); index++) {
      yield await Promise.resolve(new PictureFrame(index));
    }
  },
  async [Symbol.asyncDispose]() {},
};

/** A mono WAV file of 16 kHz. */
export function silence(seconds: number): Uint8Array {
  const bytes = seconds * 16_000 * 2;
  const file = Buffer.alloc(44 + bytes);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(36 + bytes, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(16_000, 24);
  file.writeUInt32LE(32_000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(bytes, 40);
  return file;
}

export function create(
  fixture: Fixture,
  path: string,
  source: VideoReader = pictures,
): Promise<VideoWriter> {
  return fixture.options.sink.create({ path, source, audioPath: fixture.sound });
}

export async function writePictures(
  fixture: Fixture,
  path: string,
  patch?: ImagePatch,
): Promise<void> {
  await using writer = await create(fixture, path);
  for await (const frame of pictures.frames()) {
    using owned = frame;
    await writer.write(owned, patch === undefined ? [] : [patch]);
  }
  await writer.finish();
}

export async function readPictures(
  reader: VideoReader,
  range: { start?: number; end?: number } = {},
): Promise<RgbImage[]> {
  const images: RgbImage[] = [];
  let index = range.start ?? 0;
  for await (const frame of reader.frames(range)) {
    using owned = frame;
    expect(owned.index).toBe(index);
    index += 1;
    images.push(await owned.toRgb());
  }
  return images;
}

export async function firstFrame(reader: VideoReader): Promise<VideoFrame> {
  for await (const frame of reader.frames({ end: 1 })) return frame;
  throw new Error("The video has no frame.");
}

export async function expectError(
  promise: Promise<unknown>,
  codes: LatentSyncErrorCode[],
): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw new Error("Expected a LatentSyncError.", { cause: error });
  expect(codes).toContain(error.code);
  expect(error.message.length).toBeGreaterThan(10);
}

/** Files that no test asked for. */
export async function leftovers(fixture: Fixture): Promise<string[]> {
  const kept = /^(sound|video|patched|foreign|older|text|empty|several|times|rate|late|mean)\./;
  return (await readdir(fixture.path("."))).filter((name) => !kept.test(name));
}
