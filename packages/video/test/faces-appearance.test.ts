import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RgbImage } from "@ls/core";
import { createPerson, poseAt, renderHead } from "@ls/synthetic";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { appearanceOf } from "../src/faces/appearance-of.ts";
import type { MediaPipeFace } from "../src/faces/mediapipe-messages.ts";
import { createMediaPipeDetector, type MediaPipeDetector } from "../src/faces/mediapipe.ts";
import { packagedModelFolder } from "../src/faces/tensorflow.ts";

const SIZE = { width: 320, height: 320 } as const;

/** A person at a moment, with the face at a place and of a height. */
function pictureOf(seed: number, time: number, scale = 170): Promise<RgbImage> {
  const person = createPerson(seed);
  const mouth = { opening: 0.4 * Math.abs(Math.sin(time)), spread: 0, teeth: 0.3, tongue: 0 };
  const placement = [scale, 0, 0, scale, 160, 150] as const;
  return renderHead({ person, pose: poseAt(person, time), mouth }, { ...SIZE, placement });
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}

describe("appearance", () => {
  let detector: MediaPipeDetector;
  let folder: string;
  beforeAll(async () => {
    detector = await createMediaPipeDetector();
    folder = await mkdtemp(join(tmpdir(), "appearance-"));
  }, 60_000);
  afterAll(async () => {
    await detector[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const only = async (image: RgbImage, index: number): Promise<MediaPipeFace> => {
    const faces = await detector.detect(image, index);
    expect(faces).toHaveLength(1);
    return faces[0]!;
  };

  it("is a unit vector, more alike for one person than for another", async () => {
    const [first, again, other] = [
      (await only(await pictureOf(2, 0), 0)).appearance!,
      (await only(await pictureOf(2, 3, 120), 10)).appearance!,
      (await only(await pictureOf(9, 1), 20)).appearance!,
    ];
    expect(cosine(first, first)).toBeCloseTo(1, 5);
    expect(cosine(first, again)).toBeGreaterThan(0.6);
    expect(cosine(first, again)).toBeGreaterThan(cosine(first, other) + 0.1);
  });

  it("is kept while a face is followed", async () => {
    const appearances: Float32Array[] = [];
    for (let index = 0; index < 3; index++) {
      appearances.push((await only(await pictureOf(2, index / 25), 100 + index)).appearance!);
    }
    expect(appearances[1]).toEqual(appearances[0]);
    expect(appearances[2]).toEqual(appearances[0]);
  });

  it("tells how far the mouth is open, as the mouth itself does", async () => {
    const closed = await only(await pictureOf(2, 0), 200);
    const open = await only(await pictureOf(2, Math.PI / 2), 300);
    expect(open.mouthOpening).toBeGreaterThan(closed.mouthOpening + 0.05);
    expect(open.mouthOpening).toBeCloseTo(open.mouth.opening, 1);
  });

  it("is left out where it is not wanted, and where there is no network for it", async () => {
    for (const name of ["blazeface", "facemesh"]) {
      for (const ending of ["json", "bin"]) {
        const file = `${name}.${ending}`;
        await copyFile(join(packagedModelFolder(), file), join(folder, file));
      }
    }
    const image = await pictureOf(2, 0);
    for (const options of [{ measureAppearance: false }, { modelFolder: folder }]) {
      await using plain = await createMediaPipeDetector(options);
      const [face] = await plain.detect(image, 0);
      expect(face).toBeDefined();
      expect(face).not.toHaveProperty("appearance");
    }
  }, 60_000);

  const write = async (name: string, { width, height, data }: RgbImage): Promise<string> => {
    const path = join(folder, name);
    await sharp(data, { raw: { width, height, channels: 3 } }).toFile(path);
    return path;
  };

  it("is read from a picture file", async () => {
    const image = await pictureOf(2, 0);
    const read = await appearanceOf(await write("person.png", image));
    expect(cosine(read, (await only(image, 400)).appearance!)).toBeGreaterThan(0.999);
  }, 60_000);

  it("says so if a picture shows no face", async () => {
    const blank = { ...SIZE, data: new Uint8Array(320 * 320 * 3).fill(90) };
    const path = await write("blank.png", blank);
    await expect(appearanceOf(path)).rejects.toMatchObject({ code: "no_face" });
  }, 60_000);

  it("says so if a file is missing or no picture", async () => {
    await expect(appearanceOf(join(folder, "none.jpg"))).rejects.toMatchObject({
      code: "not_found",
      hint: expect.any(String),
    });
    const text = join(folder, "text.jpg");
    await writeFile(text, "not a picture");
    await expect(appearanceOf(text)).rejects.toMatchObject({ code: "invalid_media" });
  });
});
