/** What every pair of `VideoSource` and `VideoSink` must do, as a vitest suite. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  cropImage,
  type ImagePatch,
  LatentSyncError,
  type LatentSyncErrorCode,
  pastePatch,
  type Rectangle,
  type RgbImage,
  type VideoFrame,
  type VideoReader,
  type VideoSink,
  type VideoSource,
  type VideoWriter,
} from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { psnr } from "./compare.ts";

export interface VideoConformanceOptions {
  readonly source: VideoSource;
  readonly sink: VideoSink;
  /** Extension of the sink's files with the dot; default `.mp4`. */
  readonly extension?: string;
  /** Whether the sink gives pixels back exactly. */
  readonly lossless?: boolean;
}

const WIDTH = 96;
const HEIGHT = 64;
const FRAMES = 12;
const PATCH: Rectangle = { x: 32, y: 16, width: 32, height: 24 };
/** What an encode at good quality keeps of smooth pictures. */
const LOSSY_PSNR = 30;

interface Fixture {
  readonly options: VideoConformanceOptions;
  /** Path of a new file in the suite's folder. */
  path(name: string): string;
  /** A WAV file longer than the pictures. */
  readonly sound: string;
  /** A video of `FRAMES` pictures. */
  readonly video: string;
}

/** Checks a source and a sink against the contracts of the video seam. */
export function videoConformance(name: string, options: VideoConformanceOptions): void {
  describe(`${name} conforms to the video seam`, () => {
    let folder = "";
    let fixture: Fixture | undefined;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "video-conformance-"));
      const path = (file: string): string => join(folder, file);
      const sound = path("sound.wav");
      await writeFile(sound, silence(1));
      fixture = { options, path, sound, video: path(`video${options.extension ?? ".mp4"}`) };
      await writePictures(fixture, fixture.video);
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));
    const current = (): Fixture => {
      if (!fixture) throw new Error("The fixture is missing.");
      return fixture;
    };
    reads(current);
    givesFrames(current);
    writes(current);
    refuses(current);
    stops(current);
  });
}

/** A smooth picture that differs from frame to frame. */
function picture(index: number): RgbImage {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let at = 0; at < data.length; at++) {
    const x = Math.floor(at / 3) % WIDTH;
    const y = Math.floor(at / 3 / WIDTH);
    data[at] = 128 + 70 * Math.sin((x + 3 * index) / 17 + (at % 3)) * Math.cos(y / 13);
  }
  return { width: WIDTH, height: HEIGHT, data };
}

class PictureFrame implements VideoFrame {
  readonly index: number;
  readonly width = WIDTH;
  readonly height = HEIGHT;

  constructor(index: number) {
    this.index = index;
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
const pictures: VideoReader = {
  info: {
    width: WIDTH,
    height: HEIGHT,
    framesPerSecond: 25,
    estimatedFrameCount: FRAMES,
    description: "pictures drawn by the conformance suite",
  },
  async *frames({ start = 0, end = FRAMES } = {}) {
    for (let index = start; index < Math.min(end, FRAMES); index++) {
      yield await Promise.resolve(new PictureFrame(index));
    }
  },
  async [Symbol.asyncDispose]() {},
};

/** A mono WAV file of 16 kHz. */
function silence(seconds: number): Uint8Array {
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

function create(fixture: Fixture, path: string, source = pictures): Promise<VideoWriter> {
  return fixture.options.sink.create({ path, source, audioPath: fixture.sound });
}

async function writePictures(fixture: Fixture, path: string, patch?: ImagePatch): Promise<void> {
  await using writer = await create(fixture, path);
  for await (const frame of pictures.frames()) {
    using owned = frame;
    await writer.write(owned, patch);
  }
  await writer.finish();
}

async function readPictures(
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

async function firstFrame(reader: VideoReader): Promise<VideoFrame> {
  for await (const frame of reader.frames({ end: 1 })) return frame;
  throw new Error("The video has no frame.");
}

async function expectError(promise: Promise<unknown>, codes: LatentSyncErrorCode[]): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw new Error("Expected a LatentSyncError.", { cause: error });
  expect(codes).toContain(error.code);
  expect(error.message.length).toBeGreaterThan(10);
}

function reads(current: () => Fixture): void {
  it("describes the video", async () => {
    await using reader = await current().options.source.open(current().video);
    expect(reader.info).toMatchObject({ width: WIDTH, height: HEIGHT, framesPerSecond: 25 });
    expect(reader.info.description).not.toBe("");
  });

  it("gives all frames in order, as they were written", async () => {
    const { options, video } = current();
    await using reader = await options.source.open(video);
    const images = await readPictures(reader);
    expect(images).toHaveLength(FRAMES);
    for (const [index, image] of images.entries()) {
      expect(image).toMatchObject({ width: WIDTH, height: HEIGHT });
      const quality = psnr(image.data, picture(index).data);
      expect(quality).toBeGreaterThan(options.lossless ? Number.MAX_VALUE : LOSSY_PSNR);
    }
  });

  it("gives the same pictures for any range, in any order, again and again", async () => {
    await using reader = await current().options.source.open(current().video);
    const all = await readPictures(reader);
    for (const start of [8, 4, 0, 11]) {
      const end = Math.min(FRAMES, start + 4);
      expect(await readPictures(reader, { start, end })).toEqual(all.slice(start, end));
    }
    expect(await readPictures(reader)).toEqual(all);
  });

  it("starts in the middle at once, and ends at the end of the file", async () => {
    await using reader = await current().options.source.open(current().video);
    expect(await readPictures(reader, { start: 7, end: 1000 })).toHaveLength(FRAMES - 7);
    expect(await readPictures(reader, { start: FRAMES })).toHaveLength(0);
    expect(await readPictures(reader, { start: 3, end: 3 })).toHaveLength(0);
    expect(await readPictures(reader)).toHaveLength(FRAMES);
  });

  it("can be left in the middle and read again", async () => {
    await using reader = await current().options.source.open(current().video);
    const first = await firstFrame(reader);
    first[Symbol.dispose]();
    expect(await readPictures(reader)).toHaveLength(FRAMES);
  });
}

function givesFrames(current: () => Fixture): void {
  it("converts a region as it converts the whole", async () => {
    await using reader = await current().options.source.open(current().video);
    using frame = await firstFrame(reader);
    const whole = await frame.toRgb();
    for (const region of [PATCH, { x: 1, y: 3, width: 5, height: 7 }, { ...whole, x: 0, y: 0 }]) {
      const { x, y, width, height } = region;
      const { data } = cropImage(whole, { x, y, width, height });
      expect(await frame.toRgb({ x, y, width, height })).toEqual({ width, height, data });
    }
  });

  it("refuses a region outside the frame", async () => {
    await using reader = await current().options.source.open(current().video);
    using frame = await firstFrame(reader);
    const outside = frame.toRgb({ x: WIDTH - 4, y: 0, width: 5, height: 4 });
    await expectError(outside, ["invalid_argument"]);
  });

  it("gives clones that live on their own, also after the reader", async () => {
    const reader = await current().options.source.open(current().video);
    const frame = await firstFrame(reader);
    const image = await frame.toRgb();
    using clone = frame.clone();
    expect(clone.index).toBe(frame.index);
    frame[Symbol.dispose]();
    frame[Symbol.dispose]();
    await reader[Symbol.asyncDispose]();
    await expectError(frame.toRgb(), ["disposed"]);
    expect(await clone.toRgb()).toEqual(image);
  });
}

function writes(current: () => Fixture): void {
  it("puts patches over its own source's frames and leaves the rest", async () => {
    const { options, video, path } = current();
    const data = new Uint8Array(PATCH.width * PATCH.height * 3).fill(200);
    const patch: ImagePatch = { ...PATCH, data };
    const output = path(`patched${options.extension ?? ".mp4"}`);
    await using reader = await options.source.open(video);
    const before = await readPictures(reader);
    await using writer = await create(current(), output, reader);
    for await (const frame of reader.frames()) {
      using owned = frame;
      await writer.write(owned, owned.index % 2 === 0 ? patch : undefined);
    }
    await writer.finish();
    await using patched = await options.source.open(output);
    const after = await readPictures(patched);
    expect(after).toHaveLength(FRAMES);
    for (const [index, image] of after.entries()) {
      const expected = before[index] as RgbImage;
      if (index % 2 === 0) pastePatch(expected, patch);
      const quality = psnr(image.data, expected.data);
      expect(quality).toBeGreaterThan(options.lossless ? Number.MAX_VALUE : LOSSY_PSNR);
    }
  });

  it("puts patches over frames of another implementation", async () => {
    const { options, path } = current();
    const data = new Uint8Array(PATCH.width * PATCH.height * 3).fill(90);
    const output = path(`foreign${options.extension ?? ".mp4"}`);
    await writePictures(current(), output, { ...PATCH, data });
    await using reader = await options.source.open(output);
    for (const [index, image] of (await readPictures(reader)).entries()) {
      const expected = picture(index);
      pastePatch(expected, { ...PATCH, data });
      expect(psnr(image.data, expected.data)).toBeGreaterThan(LOSSY_PSNR - 4);
    }
  });

  it("replaces an older output only when the new one is complete", async () => {
    const output = current().path(`older${current().options.extension ?? ".mp4"}`);
    await writeFile(output, "older");
    await writePictures(current(), output);
    await using reader = await current().options.source.open(output);
    expect(await readPictures(reader)).toHaveLength(FRAMES);
  });
}

function refuses(current: () => Fixture): void {
  it("says what is wrong with an input", async () => {
    const { source } = current().options;
    const text = current().path("text.mp4");
    await writeFile(text, "This is a letter, not a video.\n".repeat(40));
    const empty = current().path("empty.mp4");
    await writeFile(empty, "");
    await expectError(source.open(current().path("missing.mp4")), ["not_found"]);
    await expectError(source.open(text), ["invalid_media"]);
    await expectError(source.open(empty), ["invalid_media"]);
    await expectError(source.open(current().path(".")), ["invalid_media", "io"]);
    await expectError(source.open(current().sound), ["invalid_media"]);
  });

  it("says at once what is wrong with an output", async () => {
    const { sink, extension = ".mp4" } = current().options;
    const output = current().path(`refused${extension}`);
    const base = { path: output, source: pictures, audioPath: current().sound };
    const missing = current().path("missing.wav");
    await expectError(sink.create({ ...base, audioPath: missing }), ["not_found"]);
    const nowhere = join(current().path("nowhere"), `x${extension}`);
    await expectError(sink.create({ ...base, path: nowhere }), ["not_found", "io"]);
    const same = sink.create({ ...base, path: current().video, audioPath: current().video });
    await expectError(same, ["invalid_argument"]);
    expect(await leftovers(current())).toEqual([]);
  });

  it("refuses a patch that does not lie inside the frame", async () => {
    await using writer = await create(
      current(),
      current().path(`patch${current().options.extension ?? ".mp4"}`),
    );
    const data = new Uint8Array(4 * 4 * 3);
    const outside = { x: WIDTH - 2, y: 0, width: 4, height: 4, data };
    await expectError(writer.write(new PictureFrame(0), outside), ["invalid_argument"]);
  });
}

/** Files that no test asked for. */
async function leftovers(fixture: Fixture): Promise<string[]> {
  const kept = /^(sound|video|patched|foreign|older|text|empty)\./;
  return (await readdir(fixture.path("."))).filter((name) => !kept.test(name));
}

function stops(current: () => Fixture): void {
  it("removes everything if it is not finished", async () => {
    const output = current().path(`abandoned${current().options.extension ?? ".mp4"}`);
    const writer = await create(current(), output);
    await writer.write(new PictureFrame(0));
    await writer.write(new PictureFrame(1));
    await writer[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    await expect(writer.write(new PictureFrame(2))).rejects.toThrow();
    expect(await leftovers(current())).toEqual([]);
  });

  it("stops on abort with the signal's reason", async () => {
    const { options, video, path, sound } = current();
    const reason = new Error("stopped by the test");
    const aborted = AbortSignal.abort(reason);
    await expect(options.source.open(video, { signal: aborted })).rejects.toBe(reason);
    const controller = new AbortController();
    await using reader = await options.source.open(video);
    const output = path(`aborted${options.extension ?? ".mp4"}`);
    await using writer = await options.sink.create({
      path: output,
      source: reader,
      audioPath: sound,
      signal: controller.signal,
    });
    const copying = (async () => {
      for await (const frame of reader.frames({ signal: controller.signal })) {
        using owned = frame;
        await writer.write(owned);
        if (owned.index === 2) controller.abort(reason);
      }
    })();
    await expect(copying).rejects.toBe(reason);
    await expect(writer.finish()).rejects.toBe(reason);
    await writer[Symbol.asyncDispose]();
    expect(await leftovers(current())).toEqual([]);
  });

  it("refuses to be read after it was disposed", async () => {
    const reader = await current().options.source.open(current().video);
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    await expectError(readPictures(reader), ["disposed"]);
  });
}
