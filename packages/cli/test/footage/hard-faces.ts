/** Campaigns over derived pictures of the demo videos' faces: how many are found, and how exactly. */
import { hasReference, referenceTitle } from "@ls/testing";
import { createMediaPipeDetector, type MediaPipeDetector } from "@ls/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { DEMO_VIDEOS, demoFrames, pointError, show, type Showing } from "./hard-footage.ts";

/** A face further off than this is not the one that is looked for. */
const MOST_ERROR = 0.2;
const FRAMES = [40, 120] as const;

export interface HardCase {
  readonly name: string;
  readonly showing: Showing;
  /** Least share of the faces that must be found; default 1. */
  readonly minFound?: number;
  /** Most mean error of their points, in widths of the face; default 0.03. */
  readonly maxError?: number;
}

export function hardFaces(row: number, what: string, cases: readonly HardCase[]): void {
  describe.skipIf(!hasReference)(referenceTitle(`row ${row}: ${what}`), () => {
    let detector: MediaPipeDetector;
    beforeAll(async () => {
      detector = await createMediaPipeDetector({ detectionInterval: 1, measureAppearance: false });
    });
    afterAll(() => detector[Symbol.asyncDispose]());

    it.each(cases)("$name", async ({ name, showing, minFound = 1, maxError = 0.03 }) => {
      const errors: number[] = [];
      for (const video of DEMO_VIDEOS) {
        for (const frame of await demoFrames(video, FRAMES)) {
          const [face] = await detector.detect(frame, 0);
          expect(face).toBeDefined();
          const shown = await show(frame, face!, showing);
          errors.push(await pointError(detector, shown, showing.faceWidth));
        }
      }
      const found = errors.filter((error) => error < MOST_ERROR);
      const share = found.length / errors.length;
      const error = found.reduce((sum, value) => sum + value, 0) / Math.max(found.length, 1);
      const passed = share >= minFound && error <= maxError;
      const figures = { faces: errors.length, found: share, error: Number(error.toFixed(4)) };
      await record({ row, input: "demo videos 1 to 3", what: name, figures, passed });
      expect(share).toBeGreaterThanOrEqual(minFound);
      expect(error).toBeLessThanOrEqual(maxError);
    });
  });
}
