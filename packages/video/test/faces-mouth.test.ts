import type { RgbImage } from "@ls/core";
import type { MouthRuler as EvaluationRuler } from "@ls/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMouthRuler, type MouthMeasure, type MouthRuler } from "../src/faces/mouth-ruler.ts";
import { mouthOf } from "../src/faces/mouth.ts";
import { type FaceOptions, renderFace } from "./generated-face.ts";

describe("mouthOf", () => {
  /** Eyes, lips' corners, inner lips and outer lips of a face, at these pixels; the rest at 0. */
  const landmarks = (scale: number, angle: number): Float64Array => {
    const points = new Float64Array(468 * 2);
    const place = (index: number, x: number, y: number): void => {
      points[index * 2] = 300 + scale * (x * Math.cos(angle) - y * Math.sin(angle));
      points[index * 2 + 1] = 200 + scale * (x * Math.sin(angle) + y * Math.cos(angle));
    };
    place(33, -50, -40);
    place(263, 50, -40);
    place(61, -30, 40);
    place(291, 30, 40);
    place(13, 0, 35);
    place(14, 0, 55);
    place(0, 0, 28);
    place(17, 0, 64);
    return points;
  };

  it("measures in units of the eyes' distance", () => {
    const mouth = mouthOf(landmarks(1, 0));
    expect(mouth.opening).toBeCloseTo(0.2, 12);
    expect(mouth.width).toBeCloseTo(0.6, 12);
    expect(mouth.box).toEqual({ x: 270, y: 228, width: 60, height: 36 });
  });

  it("does not depend on the size and the tilt of the head", () => {
    const mouth = mouthOf(landmarks(3.3, 0.4));
    expect(mouth.opening).toBeCloseTo(0.2, 12);
    expect(mouth.width).toBeCloseTo(0.6, 12);
  });
});

describe("createMouthRuler", () => {
  const SIZE = { width: 480, height: 480 } as const;
  let ruler: MouthRuler;
  beforeAll(async () => {
    ruler = await createMouthRuler();
  });
  afterAll(() => ruler[Symbol.asyncDispose]());

  const measure = async (options: Partial<FaceOptions>): Promise<MouthMeasure> => {
    const measured = await ruler.measure(await renderFace({ ...SIZE, ...options }), 0);
    expect(measured).toBeDefined();
    return measured!;
  };

  it("sees mouths open as far as they are drawn, evenly", async () => {
    const openings: number[] = [];
    for (const mouthOpening of [0, 0.25, 0.5, 0.75, 1]) {
      openings.push((await measure({ mouthOpening })).opening);
    }
    expect(openings).toEqual(openings.toSorted((a, b) => a - b));
    expect(openings[0]).toBeLessThan(0.08);
    expect(openings[4]).toBeGreaterThan(0.2);
  });

  it("gives about the same for a face of another size, place and tilt", async () => {
    const first = await measure({ mouthOpening: 0.6 });
    const second = await measure({
      mouthOpening: 0.6,
      faceHeight: 320,
      tiltDegrees: 15,
      center: [220, 230],
    });
    expect(Math.abs(second.opening - first.opening)).toBeLessThan(0.04);
    expect(Math.abs(second.width - first.width)).toBeLessThan(0.06);
  });

  it("tells where the mouth is", async () => {
    const { box, points } = await measure({ mouthOpening: 0.5 });
    const [left, right, nose] = points;
    expect(box.x + box.width / 2).toBeCloseTo((left[0] + right[0]) / 2, -1);
    expect(box.y).toBeGreaterThan(nose[1]);
    expect(box.width).toBeGreaterThan(30);
  });

  it("says so where there is no face", async () => {
    const grey: RgbImage = { ...SIZE, data: new Uint8Array(480 * 480 * 3).fill(120) };
    expect(await ruler.measure(grey, 0)).toBeUndefined();
  });

  it("fits the evaluation of @ls/testing", async () => {
    const fitting: EvaluationRuler = ruler;
    const image = await renderFace(SIZE);
    await expect(fitting.measure(image, 0, { signal: AbortSignal.abort() })).rejects.toThrow(
      /abort/i,
    );
  });
});
