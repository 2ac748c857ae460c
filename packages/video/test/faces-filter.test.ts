import type { Face } from "@ls/core";
import { describe, expect, it } from "vitest";
import { filterFaces } from "../src/faces/filter-faces.ts";

function face(width: number, height: number, score = 0.9, x = 10): Pick<Face, "box" | "score"> {
  return { box: { x, y: 20, width, height }, score };
}

describe("filterFaces", () => {
  it.each([
    ["a face at every limit", face(50, 80, 0.5), true],
    ["a face under 50 wide", face(49.9, 100), false],
    ["a face under 80 high", face(60, 79.9), false],
    ["a face that is too wide", face(151, 100), false],
    ["a face as wide as may be", face(150, 100), true],
    ["a face that is too narrow", face(50, 260), false],
    ["a face as narrow as may be", face(50, 250), true],
    ["a face of low score", face(100, 100, 0.499), false],
    ["a face without a score", face(100, 100, Number.NaN), false],
  ])("judges %s", (_what, candidate, isKept) => {
    expect(filterFaces([candidate])).toEqual(isKept ? [candidate] : []);
  });

  it("measures between the whole pixels that the corners are cut to", () => {
    // 10.9 to 60.1 spans pixels 10 to 60.
    expect(filterFaces([face(49.2, 90, 0.9, 10.9)])).toHaveLength(1);
    // 10.1 to 59.9 spans pixels 10 to 59.
    expect(filterFaces([face(49.8, 90, 0.9, 10.1)])).toHaveLength(0);
  });

  it("puts the largest first, and of equal ones the earlier", () => {
    const [small, large, first, second] = [
      face(60, 90),
      face(100, 120),
      face(80, 100, 0.6),
      face(80, 100, 0.9),
    ];
    expect(filterFaces([small, first, large, second])).toEqual([large, first, second, small]);
  });

  it("takes other limits", () => {
    const small = face(20, 30, 0.3);
    expect(filterFaces([small], { minWidth: 10, minHeight: 10, minScore: 0.2 })).toEqual([small]);
    const several = [face(60, 90), face(100, 120), face(80, 100)];
    expect(filterFaces(several, { maxFaces: 2 })).toEqual([several[1], several[2]]);
  });

  it("never returns an empty box", () => {
    expect(filterFaces([face(0.5, 0.5)], { minWidth: 0, minHeight: 0, minAspect: 0 })).toEqual([]);
  });
});
