import { describe, expect, it } from "vitest";
import { borderFlicker, edgeColourDifference, regionChange } from "../src/index.ts";

const SIZE = 64;
const PLANE = SIZE * SIZE;
const MASK = Float32Array.from({ length: PLANE }, (_, index) => {
  const [x, y] = [index % SIZE, Math.floor(index / SIZE)];
  return x >= 8 && x < 56 && y >= 24 && y < 60 ? 0 : 1;
});
const SOURCE = new Uint8Array(3 * PLANE).fill(100);

/** The source, with something else in the generated region. */
function generated(value: (x: number, y: number) => number): Uint8Array {
  return SOURCE.map((own, index) => {
    const place = index % PLANE;
    return MASK[place] === 1 ? own : own + value(place % SIZE, Math.floor(place / SIZE));
  });
}

describe("edgeColourDifference", () => {
  const difference = (value: (x: number, y: number) => number): number =>
    edgeColourDifference({ generated: generated(value), source: SOURCE }, MASK);

  it("is the step at the edge", () => {
    expect(difference(() => 0)).toBe(0);
    expect(difference(() => 7)).toBe(7);
    expect(difference((x) => (x < 32 ? 6 : -6))).toBe(6);
  });

  it("does not see what is not at the edge, and averages grain", () => {
    expect(difference((x, y) => (x > 20 && x < 40 && y > 30 && y < 50 ? 90 : 0))).toBe(0);
    expect(difference((x, y) => ((x + y) % 2 === 0 ? 8 : -8))).toBeLessThan(0.5);
  });
});

describe("borderFlicker", () => {
  it("compares changes across borders with those beside them", () => {
    const changes = Array.from({ length: 63 }, (_, index) => ((index + 1) % 16 === 0 ? 3 : 2));
    expect(borderFlicker(changes, 16)).toEqual({ border: 3, beside: 2, ratio: 1.5, borders: 3 });
  });

  it("leaves out what is far from a border", () => {
    const changes = Array.from({ length: 31 }, (_, index) =>
      index === 5 || index === 22 ? 99 : 2,
    );
    expect(borderFlicker(changes, 16)?.ratio).toBe(1);
    expect(borderFlicker(changes.slice(0, 15), 16)).toBeUndefined();
  });

  it("is fed with the changes of the generated region", () => {
    expect(
      regionChange(
        SOURCE,
        generated(() => 5),
        MASK,
      ),
    ).toBe(5);
    const surroundings = SOURCE.map((value, index) => (MASK[index % PLANE] === 1 ? 0 : value));
    expect(regionChange(SOURCE, surroundings, MASK)).toBe(0);
  });
});
