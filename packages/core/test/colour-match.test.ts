import { describe, expect, it } from "vitest";
import { ColourMatcher } from "../src/diffusion/colour-match.ts";
import { torchCpuGenerator } from "../src/random/torch-cpu.ts";

const SIZE = 128;
const PLANE = SIZE * SIZE;
/** One of 255 steps, of pixels in [-1, 1]. */
const LEVEL = 1 / 127.5;

/** Generates in an ellipse in the lower half, with a notch, as a nose is, at its top. */
const MASK = Float32Array.from({ length: PLANE }, (_, index) => {
  const [x, y] = [index % SIZE, Math.floor(index / SIZE)];
  const isInside = ((x - 64) / 56) ** 2 + ((y - 84) / 36) ** 2 < 1;
  const isNotch = Math.abs(x - 64) < 20 && y < 60;
  return isInside && !isNotch ? 0 : 1;
});

const SOURCE = Uint8Array.from({ length: 3 * PLANE }, (_, index) => {
  const [x, y] = [index % SIZE, Math.floor((index % PLANE) / SIZE)];
  return 120 + 40 * Math.sin(x / 9 + index / PLANE) + 30 * Math.cos(y / 7);
});
const FACE = Float32Array.from(SOURCE, (value) => value * LEVEL - 1);

type Change = (x: number, y: number, channel: number) => number;

/** The face with a change, in levels, in the generated region alone. */
function changed(change: Change): Float32Array {
  return FACE.map((value, index) => {
    const place = index % PLANE;
    if (MASK[place] === 1) return value;
    const [x, y] = [place % SIZE, Math.floor(place / SIZE)];
    return value + LEVEL * change(x, y, Math.floor(index / PLANE));
  });
}

/** Largest difference, in levels. */
function largest(face: Float32Array, expected = FACE): number {
  let most = 0;
  for (const [index, value] of face.entries()) {
    most = Math.max(most, Math.abs(value - (expected[index] as number)) / LEVEL);
  }
  return most;
}

/** Mean difference from the source where generated pixels touch others, in levels. */
function atEdge(face: Float32Array): number {
  let [sum, count] = [0, 0];
  for (const [index, value] of face.entries()) {
    const place = index % PLANE;
    const around = [place - 1, place + 1, place - SIZE, place + SIZE];
    if (MASK[place] === 1 || !around.some((other) => MASK[other] === 1)) continue;
    sum += Math.abs(value - (FACE[index] as number)) / LEVEL;
    count++;
  }
  return sum / count;
}

describe("ColourMatcher", () => {
  const matcher = new ColourMatcher(MASK);

  it("leaves a face that fits as it is", () => {
    const face = FACE.slice();
    matcher.match(face, SOURCE);
    expect(largest(face)).toBeLessThan(0.001);
  });

  it("takes a shift of colour away", () => {
    const face = changed((_x, _y, channel) => [9, -6, 12][channel] ?? 0);
    expect(largest(face)).toBeCloseTo(12, 2);
    matcher.match(face, SOURCE);
    expect(largest(face)).toBeLessThan(0.01);
  });

  it("takes light from one side away", () => {
    const face = changed((x, y) => (16 * x) / SIZE - (10 * y) / SIZE);
    expect(atEdge(face)).toBeGreaterThan(3);
    matcher.match(face, SOURCE);
    expect(atEdge(face)).toBeLessThan(0.3);
    expect(largest(face)).toBeLessThan(1);
  });

  it("leaves the mouth in the middle, whatever it shows", () => {
    const mouth: Change = (x, y) => (Math.hypot(x - 64, y - 90) < 14 ? 90 : 0);
    const face = changed(mouth);
    const before = face.slice();
    matcher.match(face, SOURCE);
    expect(largest(face, before)).toBeLessThan(0.001);
  });

  it("is not led far astray by something else at one side of the edge", () => {
    const collar: Change = (x, y) => (x > 92 && y > 92 ? 90 : 0);
    const face = changed(collar);
    matcher.match(face, SOURCE);
    // The correction itself, far from what differs and in the middle.
    const correction = (x: number, y: number): number => {
      const index = y * SIZE + x;
      return Math.abs((face[index] as number) - (FACE[index] as number)) / LEVEL;
    };
    expect(correction(14, 84)).toBeLessThan(0.5);
    expect(correction(64, 84)).toBeLessThan(4);
  });

  it("corrects by 20 levels at most", () => {
    const face = changed(() => 50);
    matcher.match(face, SOURCE);
    expect(largest(face)).toBeCloseTo(30, 2);
  });

  it("does not answer grain with more grain", () => {
    const noise = torchCpuGenerator(7).randn(3 * PLANE);
    let next = 0;
    const face = changed(() => 3 * (noise[next++] as number));
    const before = face.slice();
    matcher.match(face, SOURCE);
    const mean = (values: Float32Array): number =>
      values.reduce((sum, value, index) => sum + (value - (FACE[index] as number)) ** 2, 0);
    expect(mean(face)).toBeLessThan(1.02 * mean(before));
  });

  it("touches no kept pixel, and nothing without an edge", () => {
    const face = changed(() => 10).map((value) => value + 5 * LEVEL);
    const before = face.slice();
    matcher.match(face, SOURCE);
    for (const [index, value] of face.entries()) {
      if (MASK[index % PLANE] === 1 && value !== before[index]) expect.fail(`changed ${index}`);
    }
    for (const all of [0, 1]) {
      const same = before.slice();
      new ColourMatcher(new Float32Array(PLANE).fill(all)).match(same, SOURCE);
      expect(same).toEqual(before);
    }
  });
});
