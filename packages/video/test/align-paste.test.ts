import type { AffineMatrix, ImagePatch } from "@ls/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BicubicResizer } from "../src/align/bicubic-resize.ts";
import { cropSize, faceRegion } from "../src/align/crop-geometry.ts";
import { warpCrop } from "../src/align/face-crop.ts";
import { FaceCropper, FacePaster } from "../src/align/index.ts";
import { cutPatch, drawFace, drawFrame, pixelDifference, putPatch } from "./align-frames.ts";
import { cropFullFrame, pasteFullFrame } from "./align-full-frame.ts";

const RESOLUTION = 32;
const CROP = cropSize(RESOLUTION);

/** From frame to crop: a crop `scale` times as large as in the frame, around `x`, `y`. */
function around(x: number, y: number, scale: number, angle: number): AffineMatrix {
  const a = scale * Math.cos(angle);
  const c = scale * Math.sin(angle);
  const u = (CROP.width - 1) / 2;
  const v = (CROP.height - 1) / 2;
  return [a, -c, u - a * x + c * y, c, a, v - c * x - a * y];
}

interface Case {
  readonly width: number;
  readonly height: number;
  readonly matrix: AffineMatrix;
}

const WIDTH = 90;
const HEIGHT = 70;

const cases: readonly (readonly [string, Case])[] = (
  [
    ["inside, upright", around(45, 35, 0.7, 0)],
    ["inside, turned a little", around(44.3, 35.7, 0.61, 0.07)],
    ["turned by 45 degrees", around(45.2, 35.1, 0.8, Math.PI / 4)],
    ["turned by 90 degrees", around(45, 35, 0.7, Math.PI / 2)],
    ["upside down", around(45.5, 35.5, 0.7, Math.PI)],
    ["over the left edge", around(3.2, 35, 0.7, 0.1)],
    ["over the right edge", around(87.9, 30.3, 0.7, -0.2)],
    ["over the top edge", around(45.1, 1.5, 0.7, 0.05)],
    ["over the bottom edge", around(45.1, 69.5, 0.7, 0.3)],
    ["over a corner", around(88, 2, 0.5, 0.4)],
    ["mostly outside", around(-14, 35, 0.7, 0.2)],
    ["wholly outside", around(-400, 35, 0.7, 0.2)],
    ["just touching an edge", around(18, 35, 0.7, 0)],
    ["larger than the frame", around(45, 35, 0.2, 0.1)],
    ["much larger than the frame", around(45, 35, 0.05, 0.3)],
    ["tiny", around(45.3, 35.4, 9, 0.2)],
    ["one pixel", around(45.3, 35.4, 40, 0.2)],
    ["sheared and stretched", [0.7, 0.1, -14, -0.2, 0.4, 11]],
    ["mirrored", [-0.6, 0.05, 39, 0.05, 0.6, -6]],
  ] as const
).map(([name, matrix]) => [name, { width: WIDTH, height: HEIGHT, matrix }]);

function restorePatch(
  background: ImagePatch,
  face: Float32Array,
  matrix: AffineMatrix,
): ImagePatch {
  const patch = { ...background, data: Uint8Array.from(background.data) };
  new FacePaster(RESOLUTION).restore(face, patch, matrix);
  return patch;
}

/** Every pixel must be `exact` truncated; either way where `exact` is a whole number but for rounding. */
function expectTruncated(actual: Uint8Array, exact: Float64Array): void {
  expect(actual.length).toBe(exact.length);
  const wrong = actual.findIndex((pixel, index) => {
    const value = exact[index]!;
    return pixel < Math.floor(value - 2e-4) || pixel > Math.floor(value + 2e-4);
  });
  expect({ wrong, pixel: actual[wrong], exact: exact[wrong] }).toEqual({ wrong: -1 });
}

/** The product on a patch against the oracle on the frame. */
function expectEqualToFullFrame({ width, height, matrix }: Case): void {
  const frame = drawFrame(width, height, 5);
  const face = drawFace(RESOLUTION, 6);
  const background = cutPatch(frame, faceRegion(matrix, CROP, width, height));
  expectTruncated(
    warpCrop(background, matrix, CROP),
    cropFullFrame(frame, matrix, CROP.width, CROP.height),
  );
  const resizer = new BicubicResizer({ sourceSize: RESOLUTION, ...CROP });
  const resized = Float64Array.from(resizer.resize(face, 127.5, 127.5));
  expectTruncated(
    putPatch(frame, restorePatch(background, face, matrix)).data,
    pasteFullFrame(frame, { ...CROP, data: resized }, matrix),
  );
}

describe("crop and paste on a patch equal those on the whole frame", () => {
  it.each(cases)("%s", (_, oneCase) => {
    expectEqualToFullFrame(oneCase);
  });

  it("with an edge of several pixels, over a corner", () => {
    // 105 x 140 pixels in the frame give an edge of 5, cut to 4 by the corner.
    expectEqualToFullFrame({ width: 170, height: 150, matrix: around(130, 80, 0.25, 0.15) });
    expect(faceRegion(around(130, 80, 0.25, 0.15), CROP, 170, 150)).toMatchObject({ y: 0 });
  });

  it("wherever the face lies", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 70 }),
        fc.double({ min: -20, max: 90, noNaN: true }),
        fc.double({ min: -20, max: 90, noNaN: true }),
        fc.double({ min: 0.3, max: 3, noNaN: true }),
        fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
        (width, height, x, y, scale, angle) => {
          expectEqualToFullFrame({ width, height, matrix: around(x, y, scale, angle) });
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("FacePaster", () => {
  it("reuses its buffers and its last mask without mixing faces up", () => {
    const paster = new FacePaster(RESOLUTION);
    const frame = drawFrame(WIDTH, HEIGHT, 8);
    const face = drawFace(RESOLUTION, 9);
    const used = cases.filter(([, { matrix }]) => matrix[0] !== 0).map(([, { matrix }]) => matrix);
    for (const matrix of [...used, ...used.toReversed()]) {
      const background = cutPatch(frame, faceRegion(matrix, CROP, WIDTH, HEIGHT));
      const expected = restorePatch(background, face, matrix);
      for (let repeat = 0; repeat < 2; repeat++) {
        const patch = { ...background, data: Uint8Array.from(background.data) };
        paster.restore(face, patch, matrix);
        expect(patch.data).toEqual(expected.data);
      }
    }
  });

  it("changes little when the same pixels are put back", () => {
    const width = 160;
    const height = 160;
    const data = new Uint8Array(width * height * 3).map(
      (_, index) => 128 + 90 * Math.sin(index / 3 / width / 15 + (index % 3)),
    );
    const resolution = 64;
    const matrix: AffineMatrix = [0.63, -0.04, -20, 0.04, 0.63, -16];
    const region = faceRegion(matrix, cropSize(resolution), width, height);
    const background = cutPatch({ width, height, data }, region);
    const aligned = new FaceCropper(resolution).align(background, matrix);
    const face = Float32Array.from(aligned, (value) => value / 127.5 - 1);
    const patch = { ...background, data: Uint8Array.from(background.data) };
    new FacePaster(resolution).restore(face, patch, matrix);
    const off = pixelDifference(patch.data, background.data);
    expect(off.meanAbsolute).toBeLessThan(1.5);
    expect(off.shareOverTwo).toBeLessThan(0.1);
  });

  it("refuses a face of another resolution, with both sizes in the message", () => {
    const matrix = around(45, 35, 0.7, 0);
    const region = faceRegion(matrix, CROP, WIDTH, HEIGHT);
    const patch = cutPatch(drawFrame(WIDTH, HEIGHT, 1), region);
    expect(() => {
      new FacePaster(RESOLUTION).restore(new Float32Array(12), patch, matrix);
    }).toThrow(/3072 numbers, got 12/);
  });
});

describe("faceRegion", () => {
  it.each([
    ["a singular matrix", [1, 2, 0, 2, 4, 0]],
    ["numbers that are not finite", [1, 0, Number.NaN, 0, 1, 0]],
    ["too few numbers", [1, 0, 0, 0, 1]],
  ])("refuses %s", (_, matrix) => {
    expect(() => faceRegion(matrix as unknown as AffineMatrix, CROP, 10, 10)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  it("refuses a frame without pixels", () => {
    expect(() => faceRegion(around(0, 0, 1, 0), CROP, 0, 10)).toThrow(/0 x 10/);
  });
});

describe("warpCrop", () => {
  const matrix = around(45, 35, 0.7, 0.1);
  const region = faceRegion(matrix, CROP, WIDTH, HEIGHT);
  const patch = cutPatch(drawFrame(WIDTH, HEIGHT, 1), region);

  it.each([
    ["another place", { ...patch, x: patch.x + 1 }],
    ["a larger rectangle", { ...patch, width: patch.width + 20 }],
    ["too few bytes", { ...patch, data: patch.data.subarray(3) }],
    ["no width", { ...patch, width: 0, data: new Uint8Array(0) }],
  ])("refuses a background of %s", (_, background) => {
    expect(() => warpCrop(background, matrix, CROP)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  it("fills with 127 where the frame ends", () => {
    const outside = around(-400, 35, 0.7, 0.2);
    const background = cutPatch(
      drawFrame(WIDTH, HEIGHT, 1),
      faceRegion(outside, CROP, WIDTH, HEIGHT),
    );
    expect(new Set(warpCrop(background, outside, CROP))).toEqual(new Set([127]));
  });
});
