/** What every `OcclusionDetector` must do, as a vitest suite. */
import { LatentSyncError, type OcclusionDetector } from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** Aligned faces of frames that follow one another, `[3, resolution, resolution]` uint8 each. */
export interface OcclusionConformanceFaces {
  readonly faces: readonly Uint8Array[];
  readonly resolution: number;
}

export interface CoveredConformanceFaces extends OcclusionConformanceFaces {
  /** `[resolution, resolution]` of what covers every one of the faces: 1 covered, 0 free. */
  readonly cover: Float32Array;
}

export interface OcclusionDetectorConformanceOptions {
  /** Makes a detector; called more than once. */
  create(): Promise<OcclusionDetector>;
  /** Faces that nothing covers: talking, mouths opening and closing. */
  free(): Promise<OcclusionConformanceFaces>;
  /** Faces with something over mouth and chin. */
  covered(): Promise<CoveredConformanceFaces>;
  /** Least overlap of what is found with what is there, intersection over union. Default 0.5. */
  readonly minOverlap?: number;
}

/** Checks a detector against the contract of `OcclusionDetector`. */
export function occlusionDetectorConformance(
  name: string,
  options: OcclusionDetectorConformanceOptions,
): void {
  describe(`${name} conforms to OcclusionDetector`, () => {
    let detector: OcclusionDetector;
    let free: OcclusionConformanceFaces;
    let covered: CoveredConformanceFaces;
    beforeAll(async () => {
      [detector, free, covered] = await Promise.all([
        options.create(),
        options.free(),
        options.covered(),
      ]);
    });
    afterAll(() => detector[Symbol.asyncDispose]());

    it("takes nothing of a free face for an occluder", async () => {
      const covers = await detector.detect(free.faces, free.resolution);
      expect(covers).toEqual(free.faces.map(() => undefined));
    });

    it("finds what covers a face, with values from 0 to 1", async () => {
      const { faces, resolution, cover } = covered;
      const covers = await detector.detect(faces, resolution);
      expect(covers).toHaveLength(faces.length);
      for (const found of covers) {
        expect(found).toHaveLength(resolution * resolution);
        expect(found?.every((value) => value >= 0 && value <= 1)).toBe(true);
        const reached = overlap(found ?? new Float32Array(), cover);
        expect(reached).toBeGreaterThan(options.minOverlap ?? 0.5);
      }
    });

    it("gives the same for the same faces, one call at a time or together", async () => {
      const { faces, resolution } = covered;
      const alone = await detector.detect(faces, resolution);
      await detector.detect(free.faces, free.resolution);
      const together = await Promise.all([0, 1].map(() => detector.detect(faces, resolution)));
      expect(together).toEqual([alone, alone]);
    });

    it("leaves the pixels that it is given as they are", async () => {
      const { faces, resolution } = covered;
      const before = faces.map((face) => face.slice());
      await detector.detect(faces, resolution);
      expect(faces).toEqual(before);
    });

    it("has nothing to say about no faces", async () => {
      expect(await detector.detect([], free.resolution)).toEqual([]);
    });

    it("refuses pixels that do not fit the resolution", async () => {
      const wrong = detector.detect([new Uint8Array(12)], free.resolution);
      await expect(wrong).rejects.toMatchObject({ code: "invalid_argument" });
    });

    it("rejects with the reason of a signal that has fired", async () => {
      const reason = new Error("no longer wanted");
      const signal = AbortSignal.abort(reason);
      const { faces, resolution } = free;
      await expect(detector.detect(faces, resolution, { signal })).rejects.toBe(reason);
    });

    it("may be disposed twice, and says so when it is used afterwards", async () => {
      const own = await options.create();
      await own[Symbol.asyncDispose]();
      await own[Symbol.asyncDispose]();
      const error: unknown = await own.detect(free.faces, free.resolution).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(LatentSyncError.is(error)).toBe(true);
      expect(error).toMatchObject({ code: "disposed" });
    });
  });
}

/** Intersection over union of what is more than half covered. */
function overlap(found: Float32Array, expected: Float32Array): number {
  let shared = 0;
  let either = 0;
  for (const [index, value] of expected.entries()) {
    const isFound = (found[index] ?? 0) > 0.5;
    const isExpected = value > 0.5;
    if (isFound && isExpected) shared++;
    if (isFound || isExpected) either++;
  }
  return either === 0 ? 0 : shared / either;
}
