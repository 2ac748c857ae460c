/** What every `FaceAligner` must do, as a vitest suite. */
import {
  type AffineMatrix,
  type AlignedFace,
  type AlignmentPoints,
  type FaceAligner,
  type ImagePatch,
  type Rectangle,
  type RgbImage,
} from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { difference } from "./compare.ts";

export interface FaceAlignerConformanceOptions {
  /** Makes an aligner; called more than once. */
  create(resolution: number): FaceAligner | Promise<FaceAligner>;
  /** Resolution to test at; default 64, which is quick. */
  readonly resolution?: number;
}

const WIDTH = 160;
const HEIGHT = 200;

/** Checks an aligner against the contract of `FaceAligner`. */
export function faceAlignerConformance(name: string, options: FaceAlignerConformanceOptions): void {
  const resolution = options.resolution ?? 64;
  describe(`${name} conforms to FaceAligner`, () => {
    let aligner: FaceAligner | undefined;
    beforeAll(async () => {
      aligner = await options.create(resolution);
    });
    afterAll(async () => {
      await aligner?.[Symbol.asyncDispose]();
    });
    const current = (): FaceAligner => {
      if (aligner === undefined) throw new Error("The aligner is missing.");
      return aligner;
    };
    describesItself(current, resolution);
    transforms(current);
    alignsAndRestores(current, resolution);
    stopsAndEnds(current, () => options.create(resolution));
  });
}

/** A smooth picture, so that resampling it twice changes little. */
function smoothFrame(): RgbImage {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let index = 0; index < data.length; index++) {
    const x = Math.floor(index / 3) % WIDTH;
    const y = Math.floor(index / 3 / WIDTH);
    data[index] = 128 + 80 * Math.sin(x / 23 + (index % 3)) * Math.cos(y / 19);
  }
  return { width: WIDTH, height: HEIGHT, data };
}

function pointsAt(x: number, y: number, size: number): AlignmentPoints {
  return [
    [x - size, y - size],
    [x + size, y - size * 0.9],
    [x, y],
  ];
}

function cut(frame: RgbImage, region: Rectangle): ImagePatch {
  const { x, y, width, height } = region;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * frame.width + x) * 3;
    data.set(frame.data.subarray(from, from + width * 3), row * width * 3);
  }
  return { x, y, width, height, data };
}

function backgroundOf(aligner: FaceAligner, matrix: AffineMatrix): ImagePatch {
  return cut(smoothFrame(), aligner.region(matrix, WIDTH, HEIGHT));
}

async function alignedFace(
  aligner: FaceAligner,
  points: AlignmentPoints = pointsAt(80, 100, 20),
): Promise<AlignedFace> {
  const matrix = aligner.createTransform().next(points);
  return await aligner.align(backgroundOf(aligner, matrix), matrix);
}

function describesItself(current: () => FaceAligner, resolution: number): void {
  it("has a mask of its resolution with a part to keep and a part to generate", () => {
    const { mask } = current();
    expect(current().resolution).toBe(resolution);
    expect(mask.length).toBe(resolution * resolution);
    expect(mask.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(mask.includes(0)).toBe(true);
    expect(mask.includes(1)).toBe(true);
  });
}

function transforms(current: () => FaceAligner): void {
  it("turns points into similarities, never reflections", () => {
    const [a, b, , c, d] = current()
      .createTransform()
      .next(pointsAt(80, 100, 20));
    expect(d).toBeCloseTo(a, 5);
    expect(c).toBeCloseTo(-b, 5);
    expect(a * d - b * c).toBeGreaterThan(0);
  });

  it("smooths over the frames of one transform and not over those of two", () => {
    const aligner = current();
    const transform = aligner.createTransform();
    const first = transform.next(pointsAt(80, 100, 20));
    expect(aligner.createTransform().next(pointsAt(80, 100, 20))).toEqual(first);
    const crooked: AlignmentPoints = [
      [60, 80],
      [100, 80],
      [90, 108],
    ];
    const alone = aligner.createTransform().next(crooked);
    expect(transform.next(crooked)).not.toEqual(alone);
  });

  it("refuses points that no face has", () => {
    const transform = current().createTransform();
    for (const points of [pointsAt(80, 100, 0), pointsAt(Number.NaN, 100, 20)]) {
      expect(() => transform.next(points)).toThrow(expect.objectContaining({ code: "no_face" }));
    }
  });

  it.each([
    ["inside", pointsAt(80, 100, 20)],
    ["over the left edge", pointsAt(3, 100, 20)],
    ["over the corner", pointsAt(WIDTH, HEIGHT, 20)],
    ["larger than the frame", pointsAt(80, 100, 150)],
    ["outside", pointsAt(-900, 100, 20)],
  ])("keeps the region of a face %s within the frame", (_, points) => {
    const matrix = current().createTransform().next(points);
    const { x, y, width, height } = current().region(matrix, WIDTH, HEIGHT);
    expect([x, y, width, height].every(Number.isInteger)).toBe(true);
    expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
    expect(Math.min(width, height)).toBeGreaterThan(0);
    expect(x + width).toBeLessThanOrEqual(WIDTH);
    expect(y + height).toBeLessThanOrEqual(HEIGHT);
  });
}

/** `[3, resolution, resolution]` in [-1, 1] of the planes of an aligned face. */
function toFace(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (value) => value / 127.5 - 1);
}

function alignsAndRestores(current: () => FaceAligner, resolution: number): void {
  it("aligns to planes and leaves what it was given alone", async () => {
    const aligner = current();
    const matrix = aligner.createTransform().next(pointsAt(80, 100, 20));
    const background = backgroundOf(aligner, matrix);
    const aligned = await aligner.align(background, matrix);
    expect(aligned.pixels.length).toBe(3 * resolution * resolution);
    expect(aligned.matrix).toEqual(matrix);
    expect(aligned.background).toEqual(backgroundOf(aligner, matrix));
    expect(background).toEqual(backgroundOf(aligner, matrix));
  });

  it("gives nearly the same picture when the face is put back as it was", async () => {
    const aligned = await alignedFace(current());
    const restored = await current().restore(toFace(aligned.pixels), aligned);
    const { x, y, width, height, data } = aligned.background;
    expect(restored).toMatchObject({ x, y, width, height });
    expect(difference(restored.data, data).meanAbsolute).toBeLessThan(2);
  });

  it("changes the middle of the region, not its rim, and not its input", async () => {
    const aligned = await alignedFace(current());
    const before = Uint8Array.from(aligned.background.data);
    const face = new Float32Array(3 * resolution * resolution).fill(1);
    const { width, height, data } = await current().restore(face, aligned);
    expect(face.every((value) => value === 1)).toBe(true);
    expect(aligned.background.data).toEqual(before);
    expect(data[(Math.floor(height / 2) * width + Math.floor(width / 2)) * 3]).toBe(255);
    for (let x = 0; x < width * 3; x++) {
      expect(data[x]).toBe(before[x]);
      expect(data[(height - 1) * width * 3 + x]).toBe(before[(height - 1) * width * 3 + x]);
    }
  });

  it("clamps a face that is out of range", async () => {
    const aligned = await alignedFace(current());
    const size = 3 * resolution * resolution;
    const white = await current().restore(new Float32Array(size).fill(1), aligned);
    const brighter = await current().restore(new Float32Array(size).fill(7), aligned);
    expect(brighter.data).toEqual(white.data);
  });

  it("gives the same for calls side by side as for one after another", async () => {
    const aligner = current();
    const places = [0, 1, 2, 3, 4, 5].map((step) => pointsAt(40 + 15 * step, 90 + step, 15 + step));
    const parallel = await Promise.all(
      places.map(async (points) => await alignedFace(aligner, points)),
    );
    for (const [index, points] of places.entries()) {
      expect(parallel[index]).toEqual(await alignedFace(aligner, points));
    }
  });
}

function stopsAndEnds(
  current: () => FaceAligner,
  create: () => FaceAligner | Promise<FaceAligner>,
): void {
  it("stops with the signal's own reason", async () => {
    const aligned = await alignedFace(current());
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const { background, matrix, pixels } = aligned;
    await expect(current().align(background, matrix, { signal })).rejects.toBe(reason);
    await expect(current().restore(toFace(pixels), aligned, { signal })).rejects.toBe(reason);
  });

  it("can be disposed twice and refuses work afterwards", async () => {
    const aligner = await create();
    const { background, matrix } = await alignedFace(aligner);
    await aligner[Symbol.asyncDispose]();
    await aligner[Symbol.asyncDispose]();
    await expect(aligner.align(background, matrix)).rejects.toMatchObject({ code: "disposed" });
  });
}
