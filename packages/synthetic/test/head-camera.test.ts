import type { RgbImage } from "@ls/core";
import { describe, expect, it } from "vitest";
import { applyCamera, type CameraOptions } from "../src/head/camera.ts";

function filled(width: number, height: number, at: (x: number) => number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) =>
    at(Math.floor(index / 3) % width),
  );
  return { width, height, data };
}

const GREY = filled(64, 64, () => 100);

function statistics({ data }: RgbImage): { mean: number; deviation: number } {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
  return { mean, deviation: Math.sqrt(variance) };
}

describe("applyCamera", () => {
  it("changes nothing without effects and copies", () => {
    const image = applyCamera(GREY, { seed: 1 });
    expect(image).toEqual(GREY);
    expect(image.data).not.toBe(GREY.data);
  });

  it("adds noise of the given strength, from the seed", () => {
    const noisy = applyCamera(GREY, { seed: 1, noise: 6 });
    const { mean, deviation } = statistics(noisy);
    expect(Math.abs(mean - 100)).toBeLessThan(0.3);
    expect(deviation).toBeGreaterThan(5.7);
    expect(deviation).toBeLessThan(6.3);
    expect(applyCamera(GREY, { seed: 1, noise: 6 })).toEqual(noisy);
    expect(applyCamera(GREY, { seed: 2, noise: 6 })).not.toEqual(noisy);
  });

  it("exposes in stops, tints and stops at white", () => {
    const { data } = applyCamera(GREY, { seed: 1, exposure: 1, colourCast: [1, 0.5, 2] });
    expect([...data.subarray(0, 3)]).toEqual([200, 100, 255]);
  });

  it("softens edges and keeps the light", () => {
    const edge = filled(32, 8, (x) => (x < 16 ? 40 : 200));
    const soft = applyCamera(edge, { seed: 1, softness: 1.5 });
    const row = Array.from({ length: 32 }, (_, x) => soft.data[(4 * 32 + x) * 3] ?? 0);
    expect(row).toEqual(row.toSorted((a, b) => a - b));
    expect(new Set(row).size).toBeGreaterThan(6);
    const { mean } = statistics(soft);
    expect(Math.abs(mean - 120)).toBeLessThan(0.6);
    expect([row[0], row[31]]).toEqual([40, 200]);
  });

  it.each<[Omit<CameraOptions, "seed">]>([
    [{ noise: -1 }],
    [{ exposure: Number.NaN }],
    [{ softness: 9 }],
    [{ colourCast: [1, 1, -1] }],
  ])("refuses %j", (options) => {
    expect(() => applyCamera(GREY, { seed: 1, ...options })).toThrow(/applyCamera: .* must be/);
  });

  it("refuses data that does not fit the size", () => {
    expect(() => applyCamera({ ...GREY, width: 63 }, { seed: 1 })).toThrow(/must have 12096 bytes/);
  });
});
