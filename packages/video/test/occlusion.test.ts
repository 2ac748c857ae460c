import { occlusionDetectorConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";
import { withoutShortGaps, withoutShortRuns } from "../src/occlusion/cover-runs.ts";
import { fitEdges } from "../src/occlusion/edge-fit.ts";
import { CELLS, enlarged } from "../src/occlusion/face-cells.ts";
import { type Hand, squareAroundHand } from "../src/occlusion/hand-network.ts";
import { drawHand } from "../src/occlusion/hand-shape.ts";
import { lipRedness } from "../src/occlusion/lip-redness.ts";
import { findObject } from "../src/occlusion/object-cover.ts";
import { createOcclusionDetector } from "../src/occlusion/occlusion-detector.ts";
import {
  alignedHeads,
  microphoneCover,
  planes,
  RESOLUTION,
  withBall,
  withLight,
  withMicrophone,
} from "./aligned-heads.ts";

/** The side of the face below the eyes that the mask of the model covers most. */
const LOWER_FACE = { left: 0.3, right: 0.7, top: 0.4, bottom: 0.95 } as const;

/** `cover` within the lower face alone: beside it hair and clothes may count as covered. */
function inLowerFace(cover: Float32Array, side: number): Float32Array {
  const { left, right, top, bottom } = LOWER_FACE;
  return cover.map((value, index) => {
    const x = (index % side) / side;
    const y = Math.floor(index / side) / side;
    return x >= left && x < right && y >= top && y < bottom ? value : 0;
  });
}

occlusionDetectorConformance("createOcclusionDetector", {
  create: () => Promise.resolve(createOcclusionDetector()),
  free: async () => ({ faces: (await alignedHeads(3, 5)).map(planes), resolution: RESOLUTION }),
  covered: async () => {
    const heads = await alignedHeads(3, 3);
    const covered = await Promise.all(heads.map((head) => withMicrophone(head, "#2b2d31")));
    return {
      faces: covered.map(planes),
      resolution: RESOLUTION,
      cover: await microphoneCover(),
    };
  },
  minOverlap: 0.4,
});

describe("findObject", () => {
  it("takes nobody's mouth, beard, glasses, hair or clothes for a thing in front", async () => {
    const wrong: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      for (const head of await alignedHeads(seed, 2)) {
        if (findObject(planes(head), RESOLUTION) !== undefined) wrong.push(seed);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("finds what hangs before a mouth, and takes no light for a thing", async () => {
    for (const seed of [2, 3, 5]) {
      const [head] = await alignedHeads(seed, 1);
      const ball = planes(await withBall(head!, "#1d4fc4"));
      expect(findObject(ball, RESOLUTION)).toBeDefined();
      const lit = planes(await withLight(head!, "#5060c0"));
      expect(findObject(lit, RESOLUTION)).toBeUndefined();
    }
  });

  it.each(["#2b2d31", "#8b9095", "#1d4fc4", "#f2f2f2", "#1f8a3a"])(
    "finds a microphone of the colour %s before most people",
    async (colour) => {
      const truth = inLowerFace(await microphoneCover(), RESOLUTION);
      let found = 0;
      const seeds = [2, 3, 5, 8, 11];
      for (const seed of seeds) {
        const [head] = await alignedHeads(seed, 1);
        const cells = findObject(planes(await withMicrophone(head!, colour)), RESOLUTION);
        if (cells === undefined) continue;
        const cover = enlarged(cells, RESOLUTION);
        const inside = inLowerFace(cover, RESOLUTION);
        const shared = inside.filter((value, index) => value > 0.5 && truth[index]! > 0.5).length;
        const all = truth.filter((value) => value > 0.5).length;
        if (shared > 0.8 * all) found++;
      }
      expect(found).toBeGreaterThanOrEqual(3);
    },
  );
});

describe("hands", () => {
  /** A hand that points up: wrist at the bottom, fingers side by side. */
  const hand = (angle: number): Hand => {
    const upright: [number, number][] = [[0, 30]];
    for (let finger = 0; finger < 5; finger++) {
      for (let joint = 0; joint < 4; joint++) {
        upright.push([(finger - 2) * 7, (finger === 0 ? 18 : 0) - joint * 9]);
      }
    }
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    return {
      score: 1,
      landmarks: Float64Array.from(
        upright.flatMap(([x, y]) => [64 + x * cosine - y * sine, 70 + x * sine + y * cosine]),
      ),
    };
  };

  it("are drawn with palm, fingers and arm, and nothing else", () => {
    const cover = drawHand(hand(0), 128);
    const at = (x: number, y: number): number => cover[(y >> 1) * CELLS + (x >> 1)]!;
    expect(at(64, 85)).toBe(1);
    expect(at(64, 45)).toBe(1);
    expect(at(64, 125)).toBe(1);
    expect(at(20, 40)).toBe(0);
    expect(at(110, 100)).toBe(0);
  });

  it("are looked at with their fingers up", () => {
    for (const angle of [0, 0.7, -1.2]) {
      const square = squareAroundHand(hand(angle));
      expect(square.angle).toBeCloseTo(angle, 1);
      expect(square.size).toBeGreaterThan(60);
    }
  });
});

describe("covers", () => {
  const yes = "cover";
  const none = undefined;

  it("do not come and go within three frames", () => {
    expect(withoutShortRuns([none, yes, yes, none, yes, yes, yes])).toEqual([
      ...[none, none, none, none],
      ...[yes, yes, yes],
    ]);
    expect(withoutShortRuns([yes])).toEqual([yes]);
    expect(withoutShortRuns([])).toEqual([]);
  });

  it("do not go and come back within three frames", () => {
    expect(withoutShortGaps([none, "a", none, none, "b", none])).toEqual([
      ...[none, "a", "a", "b", "b", none],
    ]);
    const long = ["a", none, none, none, "b"];
    expect(withoutShortGaps(long)).toEqual(long);
  });
});

describe("lipRedness", () => {
  it("is less where something covers the mouth", async () => {
    for (const seed of [2, 3, 5, 8, 11]) {
      const heads = await alignedHeads(seed, 4);
      const covered = await withMicrophone(heads[0]!, "#8b9095");
      const seen = heads.map((head) => lipRedness(planes(head), RESOLUTION));
      expect(lipRedness(planes(covered), RESOLUTION)).toBeLessThan(Math.min(...seen));
    }
  });
});

describe("fitEdges", () => {
  it("moves the edge of a mask to that of the picture", () => {
    const side = 64;
    const face = new Uint8Array(3 * side * side);
    for (let index = 0; index < face.length; index++) face[index] = index % side < 32 ? 40 : 200;
    const rough = Float32Array.from({ length: side * side }, (_, index) =>
      index % side < 33 ? 1 : 0,
    );
    const fitted = fitEdges(rough, face, side);
    const row = fitted.subarray(20 * side, 21 * side);
    expect(row[30]).toBeGreaterThan(0.7);
    expect(row[33]).toBeLessThan(0.4);
    expect(row[5]).toBeCloseTo(1, 2);
    expect(row[60]).toBeCloseTo(0, 2);
  });

  it("leaves what is all covered or all free", () => {
    const face = Uint8Array.from({ length: 3 * 64 * 64 }, (_, index) => (index * 37) % 251);
    for (const value of [0, 1]) {
      const fitted = fitEdges(new Float32Array(64 * 64).fill(value), face, 64);
      expect(fitted.every((fit) => Math.abs(fit - value) < 1e-3)).toBe(true);
    }
  });
});
