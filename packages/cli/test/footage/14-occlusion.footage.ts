import { cropImage, type Face, type ImagePatch, type RgbImage } from "@ls/core";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import {
  createFaceAligner,
  createFfmpegVideoSource,
  createMediaPipeDetector,
  createOcclusionDetector,
} from "@ls/video";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { DEMO_VIDEOS, demoFrames } from "./hard-footage.ts";

const RESOLUTION = 256;
const CHUNK = 16;
/** The hand of demo video 3 before the white shirt: frame at 25 a second, and rectangle in it. */
const HANDS = [
  { frame: 200, left: 228, top: 1015, width: 425, height: 290, anchor: [0.8, 0.4] },
  { frame: 100, left: 222, top: 945, width: 235, height: 375, anchor: [0.55, 0.3] },
  { frame: 67, left: 580, top: 990, width: 318, height: 225, anchor: [0.25, 0.45] },
] as const;
const MICROPHONES = ["#2b2d31", "#8b9095", "#1d4fc4"] as const;
/** Width of the faces that the things are drawn for. */
const FACE_WIDTH = 215;

/** A thing with transparency, and the point of it that comes before the mouth, of its size. */
interface Thing {
  readonly png: Buffer;
  readonly anchor: readonly [number, number];
}

interface Aligned {
  readonly face: Uint8Array;
  /** 255 where the thing is. */
  readonly truth: Uint8Array;
}

async function cutHand(frame: RgbImage, hand: (typeof HANDS)[number]): Promise<Thing> {
  const { left, top, width, height, anchor } = hand;
  const part = cropImage(frame, { x: left, y: top, width, height });
  const skin = Uint8Array.from({ length: width * height }, (_, index) => {
    const [red, green, blue] = part.data.subarray(index * 3, index * 3 + 3);
    return red! - blue! > 22 && red! - green! > 14 && red! > 80 ? 255 : 0;
  });
  const alpha = await sharp(skin, { raw: { width, height, channels: 1 } })
    .median(5)
    .toColourspace("b-w")
    .raw()
    .toBuffer();
  const png = await sharp(part.data, { raw: { width, height, channels: 3 } })
    .joinChannel(alpha, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
  return { png, anchor };
}

async function drawMicrophone(colour: string): Promise<Thing> {
  const drawing =
    `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="420">` +
    `<path d="M32 110 L44 420 L76 420 L88 110 Z" fill="#1b1b1d"/>` +
    `<ellipse cx="60" cy="75" rx="50" ry="62" fill="${colour}"/></svg>`;
  return { png: await sharp(Buffer.from(drawing)).png().toBuffer(), anchor: [0.5, 0.2] };
}

describe.skipIf(!hasReference)(referenceTitle("row 14: what covers a face"), () => {
  const aligner = createFaceAligner({ resolution: RESOLUTION });
  const occlusion = createOcclusionDetector();
  afterAll(async () => {
    await aligner[Symbol.asyncDispose]();
    await occlusion[Symbol.asyncDispose]();
  });

  const generated = aligner.mask.reduce((sum, keep) => sum + (keep < 0.5 ? 1 : 0), 0);

  async function align(frame: RgbImage, { points }: Face): Promise<Uint8Array> {
    const matrix = aligner.createTransform().next(points);
    const region = aligner.region(matrix, frame.width, frame.height);
    const background: ImagePatch = cropImage(frame, region);
    return (await aligner.align(background, matrix)).pixels;
  }

  async function cover(frame: RgbImage, face: Face, { png, anchor }: Thing): Promise<Aligned> {
    const size = await sharp(png).metadata();
    const scale = face.box.width / FACE_WIDTH;
    const [width, height] = [Math.round(size.width * scale), Math.round(size.height * scale)];
    const thing = await sharp(png).resize(width, height).png().toBuffer();
    const left = Math.round(face.box.x + face.box.width / 2 - anchor[0] * width);
    const top = Math.round(face.box.y + face.box.height * 0.72 - anchor[1] * height);
    const raw = { width: frame.width, height: frame.height, channels: 3 } as const;
    const over = async (data: Uint8Array, input: Buffer): Promise<RgbImage> => ({
      width: frame.width,
      height: frame.height,
      data: await sharp(data, { raw })
        .composite([{ input, left, top }])
        .removeAlpha()
        .raw()
        .toBuffer(),
    });
    const white = await sharp(thing).linear(0, 255).png().toBuffer();
    const covered = await over(frame.data, thing);
    const truth = await align(await over(new Uint8Array(frame.data.length), white), face);
    return {
      face: await align(covered, face),
      truth: truth.subarray(0, RESOLUTION * RESOLUTION),
    };
  }

  /** Intersection over union where the model paints. */
  function overlap(found: Float32Array | undefined, truth: Uint8Array): number {
    let [shared, either] = [0, 0];
    for (const [index, keep] of aligner.mask.entries()) {
      if (keep >= 0.5) continue;
      const isFound = (found?.[index] ?? 0) > 0.5;
      const isThere = truth[index]! > 127;
      if (isFound && isThere) shared++;
      if (isFound || isThere) either++;
    }
    return shared / either;
  }

  async function overlaps(things: readonly Thing[]): Promise<number[]> {
    const values: number[] = [];
    await using detector = await createMediaPipeDetector({ detectionInterval: 1 });
    for (const video of DEMO_VIDEOS) {
      for (const frame of await demoFrames(video, [40, 160])) {
        const [face] = await detector.detect(frame, 0);
        for (const thing of things) {
          const aligned = await cover(frame, face!, thing);
          const [found] = await occlusion.detect([aligned.face], RESOLUTION);
          values.push(overlap(found, aligned.truth));
        }
      }
    }
    return values;
  }

  async function report(what: string, values: readonly number[], least: number): Promise<boolean> {
    const found = values.filter((value) => value > 0.3);
    const mean = found.reduce((sum, value) => sum + value, 0) / Math.max(found.length, 1);
    const share = found.length / values.length;
    const figures = { faces: values.length, found: share, overlap: Number(mean.toFixed(3)) };
    const passed = share >= least && mean >= 0.5;
    await record({ row: 14, input: "demo videos 1 to 3", what, figures, passed });
    return passed;
  }

  it("finds hands over mouths", async () => {
    const frames = await demoFrames(
      DEMO_VIDEOS[2],
      HANDS.map(({ frame }) => frame),
    );
    const things = await Promise.all(HANDS.map((hand, index) => cutHand(frames[index]!, hand)));
    expect(
      await report("hands of demo video 3 before the mouths", await overlaps(things), 0.8),
    ).toBe(true);
  });

  it("finds microphones before mouths", async () => {
    const things = await Promise.all(MICROPHONES.map(drawMicrophone));
    expect(await report("drawn microphones before the mouths", await overlaps(things), 0.5)).toBe(
      true,
    );
  });

  it.each(DEMO_VIDEOS)("takes nothing in %s for something in front", async (name) => {
    await using detector = await createMediaPipeDetector({ measureAppearance: false });
    await using reader = await createFfmpegVideoSource().open(reference("media", name));
    let area = 0;
    let count = 0;
    let faces: Uint8Array[] = [];
    const check = async (): Promise<void> => {
      for (const found of await occlusion.detect(faces, RESOLUTION)) {
        area +=
          found?.reduce((sum, value, index) => sum + value * (1 - aligner.mask[index]!), 0) ?? 0;
      }
      count += faces.length;
      faces = [];
    };
    for await (const frame of reader.frames()) {
      using current = frame;
      const image = await current.toRgb();
      const [face] = await detector.detect(image, current.index);
      faces.push(await align(image, face!));
      if (faces.length === CHUNK) await check();
    }
    if (faces.length > 0) await check();
    const share = area / (count * generated);
    const figures = { frames: count, falselyCovered: Number(share.toFixed(5)) };
    const what = "nothing is in front of the face";
    await record({ row: 14, input: name, what, figures, passed: share === 0 });
    expect(share).toBe(0);
  });
});
