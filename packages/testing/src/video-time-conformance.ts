/** What a source and a sink must do with time: rates, parts of a video, times of its own. */
import type { RgbImage, VideoReader, VideoSource } from "@ls/core";
import { describe, expect, it } from "vitest";
import { psnr } from "./compare.ts";
import {
  create,
  expectError,
  type Fixture,
  FRAMES,
  LOSSY_PSNR,
  picture,
  PictureFrame,
  readPictures,
} from "./video-fixture.ts";

/** The fixture's video has this rate. */
const RATE = 25;
/** Containers that count milliseconds round by half of one. */
const MILLISECONDS = 0.0011;
/** Times that no constant rate has, in seconds. */
const TIMES = [0, 0.04, 0.1, 0.3, 0.35, 0.36, 0.7, 1.5, 1.52, 1.6, 1.9, 2];

async function times(reader: VideoReader): Promise<number[]> {
  const found: number[] = [];
  for await (const frame of reader.frames()) {
    using owned = frame;
    found.push(owned.timeSeconds);
  }
  return found;
}

function expectTimes(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, time] of actual.entries()) {
    expect(Math.abs(time - (expected[index] as number))).toBeLessThan(MILLISECONDS);
  }
}

/** Which of the fixture's pictures each image is. */
function positions(images: readonly RgbImage[]): number[] {
  const originals = Array.from({ length: FRAMES }, (_, index) => picture(index).data);
  return images.map(({ data }) => {
    const qualities = originals.map((original) => psnr(data, original));
    const best = qualities.indexOf(Math.max(...qualities));
    expect(qualities[best]).toBeGreaterThan(LOSSY_PSNR);
    return best;
  });
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

export function placesInTime(current: () => Fixture): void {
  describe("time", () => {
    rates(current);
    parts(current);
    writesTimes(current);
  });
}

function rates(current: () => Fixture): void {
  it("gives every frame once, at its time", async () => {
    const { options, video } = current();
    const expected = range(0, FRAMES).map((index) => index / RATE);
    await using constant = await options.source.open(video);
    expectTimes(await times(constant), expected);
    await using source = await options.source.open(video, { framesPerSecond: "source" });
    expect(source.info.framesPerSecond).toBeCloseTo(RATE, 3);
    expectTimes(await times(source), expected);
    expect(positions(await readPictures(source))).toEqual(range(0, FRAMES));
  });

  it("repeats frames for twice the rate", async () => {
    const { options, video } = current();
    await using reader = await options.source.open(video, { framesPerSecond: 2 * RATE });
    expect(reader.info.framesPerSecond).toBe(2 * RATE);
    expectTimes(
      await times(reader),
      range(0, 2 * FRAMES).map((index) => index / RATE / 2),
    );
    const shown = positions(await readPictures(reader));
    expect(shown).toEqual(range(0, 2 * FRAMES).map((index) => Math.floor(index / 2)));
  });

  it("refuses a rate that is none", async () => {
    const { options, video } = current();
    for (const framesPerSecond of [0, -25, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expectError(options.source.open(video, { framesPerSecond }), ["invalid_argument"]);
    }
  });
}

function parts(current: () => Fixture): void {
  it.each([undefined, "source"] as const)("gives a part of the video, rate %s", async (rate) => {
    const { options, video } = current();
    const open = (startSeconds?: number, endSeconds?: number): Promise<VideoReader> =>
      options.source.open(video, {
        ...(rate && { framesPerSecond: rate }),
        ...(startSeconds !== undefined && { startSeconds }),
        ...(endSeconds !== undefined && { endSeconds }),
      });
    await using whole = await open(0);
    expect(positions(await readPictures(whole))).toEqual(range(0, FRAMES));
    for (const [first, end] of [
      [3, 8],
      [1, 2],
      [10, FRAMES],
      [0, 5],
    ] as const) {
      await using part = await open(first / RATE, end / RATE);
      const images = await readPictures(part);
      expect(positions(images)).toEqual(range(first, end));
      expectTimes(
        await times(part),
        range(0, end - first).map((index) => index / RATE),
      );
      expect(await readPictures(part, { start: 1 })).toEqual(images.slice(1));
    }
    await using late = await open(9 / RATE);
    expect(positions(await readPictures(late))).toEqual(range(9, FRAMES));
  });

  it("begins with the frame that is on screen at the start", async () => {
    const { options, video } = current();
    const startSeconds = 5.25 / RATE;
    const request = { framesPerSecond: "source", startSeconds } as const;
    await using reader = await options.source.open(video, request);
    expect(positions(await readPictures(reader))).toEqual(range(5, FRAMES));
    const [first, second] = await times(reader);
    expect(first).toBe(0);
    expect(Math.abs((second ?? 0) - 0.75 / RATE)).toBeLessThan(MILLISECONDS);
  });

  it("refuses a part without length or behind the end", async () => {
    const { options, video } = current();
    for (const part of [
      { startSeconds: -1 },
      { startSeconds: Number.NaN },
      { startSeconds: 0.2, endSeconds: 0.2 },
      { startSeconds: 0.2, endSeconds: 0.1 },
      { endSeconds: 0 },
      { startSeconds: 60 },
    ]) {
      await expectError(options.source.open(video, part), ["invalid_argument"]);
    }
  });
}

/**
 * Pictures at these times, brought to the default rate: each takes over half way between its
 * predecessor's time and its own, or half a frame before its own where that is later.
 */
async function expectNearest(
  source: VideoSource,
  path: string,
  own: readonly number[],
): Promise<void> {
  await using reader = await source.open(path);
  const shown = positions(await readPictures(reader));
  const takesOver = own.map((time, position) => {
    const interval = time - (own[position - 1] ?? Number.NEGATIVE_INFINITY);
    return time - Math.min(interval, 1 / RATE) / 2;
  });
  for (const [index, position] of shown.entries()) {
    if (position > 0) {
      expect(index / RATE).toBeGreaterThan((takesOver[position] as number) - MILLISECONDS);
    }
    const next = takesOver[position + 1] ?? Number.POSITIVE_INFINITY;
    expect(index / RATE).toBeLessThan(next + MILLISECONDS);
  }
  expect(shown.at(-1)).toBeGreaterThanOrEqual(own.length - 2);
  expectTimes(
    await times(reader),
    shown.map((_, index) => index / RATE),
  );
  // The last picture may be shown for a frame.
  const frames = RATE * (own.at(-1) ?? 0);
  expect(shown.length).toBeGreaterThanOrEqual(Math.floor(frames));
  expect(shown.length).toBeLessThanOrEqual(Math.ceil(frames) + 1);
}

async function writeTimes(
  fixture: Fixture,
  path: string,
  own: readonly number[] = TIMES,
): Promise<void> {
  await using writer = await create(fixture, path);
  for (const [index, time] of own.entries()) {
    await writer.write(new PictureFrame(index), [], time);
  }
  await writer.finish();
}

function writesTimes(current: () => Fixture): void {
  it("writes frames at their times, and gives them back so", async () => {
    const { options, path } = current();
    const output = path(`times${options.extension ?? ".mp4"}`);
    await writeTimes(current(), output);
    await using reader = await options.source.open(output, { framesPerSecond: "source" });
    expectTimes(await times(reader), TIMES);
    expect(positions(await readPictures(reader))).toEqual(range(0, FRAMES));
    expect(positions(await readPictures(reader, { start: 6, end: 9 }))).toEqual([6, 7, 8]);
    await expectNearest(options.source, output, TIMES);
  });

  it.each([24, 30_000 / 1001, 50])("brings %d frames a second to what is nearest", async (rate) => {
    const { options, path } = current();
    const output = path(`rate.${Math.round(rate)}${options.extension ?? ".mp4"}`);
    const own = range(0, FRAMES).map((index) => index / rate);
    await writeTimes(current(), output, own);
    await expectNearest(options.source, output, own);
  });

  it("refuses times that do not increase or are none", async () => {
    const { options, path } = current();
    await using writer = await create(current(), path(`refused${options.extension ?? ".mp4"}`));
    await expectError(writer.write(new PictureFrame(0), [], -1), ["invalid_argument"]);
    await writer.write(new PictureFrame(0), [], 0.5);
    for (const time of [0.5, 0.4, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expectError(writer.write(new PictureFrame(1), [], time), ["invalid_argument"]);
    }
    await writer.write(new PictureFrame(1), [], 0.6);
  });
}
