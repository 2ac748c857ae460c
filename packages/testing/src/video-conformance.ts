/** What every pair of `VideoSource` and `VideoSink` must do, as a vitest suite. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cropImage, type ImagePatch, pastePatch, type RgbImage } from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { psnr } from "./compare.ts";
import {
  create,
  expectError,
  firstFrame,
  type Fixture,
  FRAMES,
  HEIGHT,
  leftovers,
  LOSSY_PSNR,
  PATCH,
  picture,
  PictureFrame,
  pictures,
  readPictures,
  silence,
  type VideoConformanceOptions,
  WIDTH,
  writePictures,
} from "./video-fixture.ts";
import { placesInTime } from "./video-time-conformance.ts";

export type { VideoConformanceOptions } from "./video-fixture.ts";

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
    placesInTime(current);
    refuses(current);
    stops(current);
  });
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
      await writer.write(owned, owned.index % 2 === 0 ? [patch] : []);
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

  it("puts later patches over earlier ones", async () => {
    const { options, video, path } = current();
    const fill = (value: number): Uint8Array =>
      new Uint8Array(PATCH.width * PATCH.height * 3).fill(value);
    const earlier = { ...PATCH, data: fill(220) };
    const later = { ...PATCH, x: PATCH.x + 16, y: PATCH.y + 8, data: fill(60) };
    const output = path(`several${options.extension ?? ".mp4"}`);
    await using reader = await options.source.open(video);
    const before = await readPictures(reader);
    await using writer = await create(current(), output, reader);
    for await (const frame of reader.frames()) {
      using owned = frame;
      await writer.write(owned, [earlier, later]);
    }
    await writer.finish();
    await using patched = await options.source.open(output);
    for (const [index, image] of (await readPictures(patched)).entries()) {
      const expected = before[index] as RgbImage;
      pastePatch(expected, earlier);
      pastePatch(expected, later);
      const quality = psnr(image.data, expected.data);
      expect(quality).toBeGreaterThan(options.lossless ? Number.MAX_VALUE : LOSSY_PSNR - 4);
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
    await expectError(writer.write(new PictureFrame(0), [outside]), ["invalid_argument"]);
  });
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
