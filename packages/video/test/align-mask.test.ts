import { hasReference, reference, referenceTitle } from "@ls/testing";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { createInpaintingMask, fixedMask } from "../src/align/inpainting-mask.ts";

describe("inpainting mask", () => {
  it("is two-valued at 256, with its rows where they belong", () => {
    const mask = createInpaintingMask(256);
    expect(new Set(mask)).toEqual(new Set([0, 1]));
    const generated = (y: number): number[] =>
      [...mask.subarray(y * 256, (y + 1) * 256).keys()].filter((x) => mask[y * 256 + x] === 0);
    expect(generated(94)).toEqual([]);
    expect(generated(95)).toHaveLength(69 + 69);
    expect(generated(127).slice(68, 70)).toEqual([77, 178]);
    expect(generated(128)).toHaveLength(239);
    expect(generated(242)).toEqual(Array.from({ length: 22 }, (_, index) => 131 + index));
    expect(generated(243)).toEqual([]);
  });

  it.each([64, 128, 512])("keeps the outside and generates the inside at %i", (resolution) => {
    const mask = createInpaintingMask(resolution);
    expect(mask.length).toBe(resolution * resolution);
    const at = (x: number, y: number): number =>
      mask[Math.floor(y * resolution) * resolution + Math.floor(x * resolution)]!;
    expect(at(0.5, 0.6)).toBe(0);
    expect(at(0.5, 0.45)).toBe(1);
    expect(at(0.5, 0.1)).toBe(1);
    expect(at(0.01, 0.7)).toBe(1);
    expect(mask.every((value) => value >= 0 && value <= 1)).toBe(true);
    // Steps of a 256th: the resize works on bytes.
    expect(mask.every((value) => Math.abs(value * 255 - Math.round(value * 255)) < 1e-4)).toBe(
      true,
    );
  });
});

describe.skipIf(!hasReference)(referenceTitle("fixed_mask_256.png"), () => {
  it("equals the mask at 256", async () => {
    const image = sharp(reference("fixed_mask_256.png")).greyscale().raw();
    const { data, info } = await image.toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([256, 256, 1]);
    expect(Buffer.compare(data, fixedMask())).toBe(0);
  });
});
