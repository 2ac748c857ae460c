import type { AlignmentPoints, Point, RgbImage } from "@ls/core";
import { applyCamera } from "@ls/synthetic";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FaceFinder, type FoundFace } from "../src/faces/face-finder.ts";
import { DEFAULT_FACE_LIMITS, filterFaces } from "../src/faces/filter-faces.ts";
import { loadTensorFlow, packagedModelFolder, type TensorFlow } from "../src/faces/tensorflow.ts";
import { type FaceOptions, facePoints, renderFace } from "./generated-face.ts";

const WIDE = { width: 1280, height: 720 } as const;
const SQUARE = { width: 480, height: 480 } as const;
/** Of a generated face, width over height. */
const ASPECT = 0.72;

/** Mean distance of the three points from where they are drawn, in heights of the face. */
function pointError(points: AlignmentPoints, drawing: FaceOptions): number {
  const truth = facePoints(drawing);
  const off = points.map(([x, y], index) => {
    const [trueX, trueY] = truth[index] as Point;
    return Math.hypot(x - trueX, y - trueY);
  });
  return off.reduce((sum, value) => sum + value, 0) / 3 / (drawing.faceHeight ?? 216);
}

/** Rows shifted along the picture and averaged: what a camera sees of a fast movement. */
function moved({ width, height, data }: RgbImage, pixels: number): RgbImage {
  const blurred = new Uint8Array(data.length);
  for (let index = 0; index < data.length; index++) {
    const column = Math.floor(index / 3) % width;
    let sum = 0;
    for (let shift = 0; shift < pixels; shift++) {
      const from = Math.min(Math.max(column + shift - (pixels >> 1), 0), width - 1);
      sum += data[index + (from - column) * 3] as number;
    }
    blurred[index] = sum / pixels;
  }
  return { width, height, data: blurred };
}

function grey({ width, height }: { readonly width: number; readonly height: number }): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(110) };
}

describe("FaceFinder on hard footage", () => {
  let tensorflow: TensorFlow;
  let finder: FaceFinder;
  beforeAll(async () => {
    tensorflow = await loadTensorFlow("wasm");
    finder = await load(1);
  }, 60_000);
  afterAll(() => finder[Symbol.dispose]());

  function load(detectionInterval: number): Promise<FaceFinder> {
    const { minWidth, maxFaces } = DEFAULT_FACE_LIMITS;
    return FaceFinder.load(tensorflow, packagedModelFolder(), {
      detectionInterval,
      maxFaces,
      minWidth,
    });
  }

  function largest(faces: readonly FoundFace[]): FoundFace {
    const [face] = filterFaces(faces, DEFAULT_FACE_LIMITS);
    expect(face).toBeDefined();
    return face!;
  }

  it.each<[string, FaceOptions]>([
    ["40 px wide", { ...WIDE, faceHeight: 40 / ASPECT, center: [900, 500] }],
    ["60 px wide", { ...WIDE, faceHeight: 60 / ASPECT, center: [300, 200] }],
    ["rolled by 60 degrees", { ...SQUARE, tiltDegrees: 60 }],
    ["rolled by 90 degrees", { ...SQUARE, tiltDegrees: 90 }],
    ["rolled by -90 degrees", { ...SQUARE, tiltDegrees: -90 }],
    ["small and rolled", { ...WIDE, faceHeight: 90, center: [800, 400], tiltDegrees: 90 }],
    ["a quarter out at the left", { ...SQUARE, faceHeight: 200, center: [36, 240] }],
    ["a quarter out at the bottom", { ...SQUARE, faceHeight: 200, center: [240, 430] }],
  ])("finds a face that is %s", async (_what, drawing) => {
    const face = largest(finder.find(await renderFace(drawing), 0));
    expect(pointError(face.points, drawing)).toBeLessThan(0.08);
  });

  it("finds a face that moves by a fifth of its width while it is exposed", async () => {
    const drawing: FaceOptions = { ...SQUARE, faceHeight: 220 };
    const image = moved(await renderFace(drawing), Math.round(0.2 * 220 * ASPECT));
    expect(pointError(largest(finder.find(image, 0)).points, drawing)).toBeLessThan(0.08);
  });

  it("follows a small face over searches of the frame, each as good as the first", async () => {
    using following = await load(2);
    for (let index = 0; index < 5; index++) {
      const drawing: FaceOptions = {
        ...WIDE,
        faceHeight: 64,
        center: [600 + 4 * index, 400],
        time: index / 25,
      };
      const image = applyCamera(await renderFace(drawing), { seed: index, noise: 3 });
      const face = largest(following.find(image, index));
      expect(pointError(face.points, drawing)).toBeLessThan(0.06);
    }
  });

  it("finds nothing in noise, however it looks", () => {
    expect(finder.find(applyCamera(grey(SQUARE), { seed: 4, noise: 60 }), 0)).toEqual([]);
  });

  it("looks closely at all frames of another kind, and at few of the same that show none", async () => {
    using following = await load(6);
    const small = await renderFace({ ...WIDE, faceHeight: 30, center: [900, 500] });
    expect(following.find(grey(WIDE), 0)).toEqual([]);
    const counts = [1, 2, 3, 4, 5, 6].map((index) => following.find(small, index).length);
    expect(counts).toEqual([0, 0, 0, 0, 0, 1]);
    expect(following.find(small, 40)).toHaveLength(1);
  });
});
