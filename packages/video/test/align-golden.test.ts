import type { AffineMatrix, AlignmentPoints, RgbImage } from "@ls/core";
import { tensor } from "@ls/core";
import {
  assertClose,
  hasReference,
  readGoldenTensors,
  reference,
  referenceTitle,
} from "@ls/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { cropSize, faceRegion } from "../src/align/crop-geometry.ts";
import { warpCrop } from "../src/align/face-crop.ts";
import { createFaceAligner, FaceCropper } from "../src/align/index.ts";
import { cutPatch, pixelDifference, putPatch, readRgbFrames } from "./align-frames.ts";

const RESOLUTION = 128;
const FACES = 3;

type Golden = ReturnType<typeof readGoldenTensors>;

function floats(golden: Golden, name: string): Float32Array {
  return golden.get(name)!.data as Float32Array;
}

function bytes(golden: Golden, name: string): Uint8Array {
  return golden.get(name)!.data as Uint8Array;
}

function landmarks(golden: Golden, frame: number): AlignmentPoints {
  const [a, b, c, d, e, f] = floats(golden, "landmarks3").subarray(frame * 6) as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return [
    [a, b],
    [c, d],
    [e, f],
  ];
}

describe.skipIf(!hasReference)(referenceTitle("faces.safetensors"), () => {
  let golden: Golden;
  let frames: RgbImage[];
  let matrices: AffineMatrix[];

  beforeAll(async () => {
    golden = readGoldenTensors(reference("faces.safetensors"));
    frames = await readRgbFrames(reference("media", "clip_24f_540x960.mkv"), FACES);
    await using aligner = createFaceAligner({ resolution: RESOLUTION });
    const transform = aligner.createTransform();
    matrices = Array.from({ length: 24 }, (_, frame) => transform.next(landmarks(golden, frame)));
  });

  it("reads the clip as the reference did", () => {
    expect(frames).toHaveLength(FACES);
    expect(Buffer.compare(frames[0]!.data, bytes(golden, "frame0"))).toBe(0);
  });

  it("affine: smoothed matrices of 24 frames", () => {
    const actual = tensor("float32", [24, 2, 3], Float32Array.from(matrices.flat()));
    assertClose(actual, golden.get("affine")!, 1e-3, "affine");
  });

  it("crop0: the warped crop", () => {
    const [frame] = frames as [RgbImage];
    const [matrix] = matrices as [AffineMatrix];
    const crop = cropSize(RESOLUTION);
    const region = faceRegion(matrix, crop, frame.width, frame.height);
    const pixels = warpCrop(cutPatch(frame, region), matrix, crop);
    const off = pixelDifference(pixels, bytes(golden, "crop0"));
    expect(off.maxAbsolute).toBeLessThanOrEqual(1);
    expect(off.meanAbsolute).toBeLessThan(0.01);
  });

  it("aligned, restored: faces brought out of their frames and put back", async () => {
    await using aligner = createFaceAligner({ resolution: RESOLUTION, workers: 2 });
    for (const [index, frame] of frames.entries()) {
      const matrix = matrices[index]!;
      const region = aligner.region(matrix, frame.width, frame.height);
      const aligned = await aligner.align(cutPatch(frame, region), matrix);
      const size = aligned.pixels.length;
      const range = [index * size, (index + 1) * size] as const;
      const alignedOff = pixelDifference(
        aligned.pixels,
        bytes(golden, "aligned").subarray(...range),
      );
      expect(alignedOff.maxAbsolute).toBeLessThanOrEqual(2);
      expect(alignedOff.meanAbsolute).toBeLessThan(0.01);

      const face = floats(golden, "pasted_face").subarray(...range);
      const whole = putPatch(frame, await aligner.restore(face, aligned));
      const expected = bytes(golden, "restored").subarray(
        index * frame.data.length,
        (index + 1) * frame.data.length,
      );
      const restoredOff = pixelDifference(whole.data, expected);
      expect(restoredOff.maxAbsolute).toBeLessThanOrEqual(1);
      expect(restoredOff.meanAbsolute).toBeLessThan(1e-4);
    }
  });

  it("mask, pixel_values, masked_pixel_values: belong together", () => {
    const { mask } = createFaceAligner({ resolution: RESOLUTION });
    assertClose(tensor("float32", [1, 1, 128, 128], mask), golden.get("mask")!, 0, "mask");
    const [frame] = frames as [RgbImage];
    const [matrix] = matrices as [AffineMatrix];
    const region = faceRegion(matrix, cropSize(RESOLUTION), frame.width, frame.height);
    const pixels = new FaceCropper(RESOLUTION).align(cutPatch(frame, region), matrix);
    const values = Float32Array.from(pixels, (value) => value / 127.5 - 1);
    const masked = values.map((value, index) => value * mask[index % mask.length]!);
    // One step of the 8-bit pixel that truncation may turn either way.
    const step = 1.01 / 127.5;
    const dims = [1, 3, 128, 128];
    assertClose(tensor("float32", dims, values), golden.get("pixel_values")!, step, "pixel_values");
    const expected = golden.get("masked_pixel_values")!;
    assertClose(tensor("float32", dims, masked), expected, step, "masked_pixel_values");
  });
});
