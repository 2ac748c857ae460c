import type { AffineMatrix, AlignmentPoints, Point } from "@ls/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cropSize, faceTemplate } from "../src/align/crop-geometry.ts";
import { createFaceTransform } from "../src/align/index.ts";

const RESOLUTION = 256;

function apply([a, b, tx, c, d, ty]: AffineMatrix, [x, y]: Point): Point {
  return [a * x + b * y + tx, c * x + d * y + ty];
}

/** The template turned, scaled and moved. */
function placed(angle: number, scale: number, x: number, y: number): AlignmentPoints {
  const turn = ([u, v]: Point): Point => [
    x + scale * (u * Math.cos(angle) - v * Math.sin(angle)),
    y + scale * (u * Math.sin(angle) + v * Math.cos(angle)),
  ];
  const [left, right, nose] = faceTemplate(RESOLUTION);
  return [turn(left), turn(right), turn(nose)];
}

/** The template's nose minus the points' own, each counted in its standard deviations. */
function bias(points: AlignmentPoints, template: AlignmentPoints): Point {
  const nose = (triangle: AlignmentPoints): Point => {
    const mean = (axis: 0 | 1): number => triangle.reduce((sum, p) => sum + p[axis], 0) / 3;
    const numbers = triangle.flatMap(([x, y]) => [x - mean(0), y - mean(1)]);
    const deviation = Math.sqrt(numbers.reduce((sum, value) => sum + value ** 2, 0) / 5);
    return [numbers[4]! / deviation, numbers[5]! / deviation];
  };
  const [u, v] = nose(template);
  const [x, y] = nose(points);
  return [u - x, v - y];
}

describe("cropSize", () => {
  it.each([
    [128, 105, 140],
    [256, 210, 280],
    [512, 420, 560],
  ])("at %i is %i x %i", (resolution, width, height) => {
    expect(cropSize(resolution)).toEqual({ width, height });
  });
});

describe("createFaceTransform", () => {
  it("brings any turned, scaled and moved template onto the template plus the bias", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
        fc.double({ min: 0.05, max: 20, noNaN: true }),
        fc.double({ min: -2000, max: 2000, noNaN: true }),
        fc.double({ min: -2000, max: 2000, noNaN: true }),
        (angle, scale, x, y) => {
          const points = placed(angle, scale, x, y);
          const matrix = createFaceTransform(RESOLUTION).next(points);
          const template = faceTemplate(RESOLUTION);
          const [biasX, biasY] = bias(points, template);
          for (const [index, target] of template.entries()) {
            const [u, v] = apply(matrix, points[index]!);
            expect(u).toBeCloseTo(target[0] + biasX, 5);
            expect(v).toBeCloseTo(target[1] + biasY, 5);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("turns a mirrored face instead of mirroring it back", () => {
    const [left, right, nose] = placed(0, 1, 100, 100);
    const [a, b, , c, d] = createFaceTransform(RESOLUTION).next([right, left, nose]);
    expect(a * d - b * c).toBeGreaterThan(0);
    expect(d).toBeCloseTo(a, 9);
    expect(c).toBeCloseTo(-b, 9);
  });

  it("adds a bias, of which a fifth stays from the frame before", () => {
    const straight = placed(0, 1, 100, 100);
    const [left, right, [noseX, noseY]] = straight;
    const low: AlignmentPoints = [left, right, [noseX, noseY + 30]];
    const alone = createFaceTransform(RESOLUTION).next(low);
    const transform = createFaceTransform(RESOLUTION);
    const first = transform.next(straight);
    const second = transform.next(low);
    const third = transform.next(low);
    // The straight face has no bias; linear parts are never smoothed.
    expect(first[5]).toBeCloseTo(-100, 6);
    for (const index of [0, 1, 3, 4] as const) expect(second[index]).toBe(alone[index]);
    const settled = transform.next(low)[5];
    expect(Math.abs(third[5] - alone[5])).toBeCloseTo(Math.abs(second[5] - alone[5]) / 5, 9);
    expect(Math.abs(settled - alone[5])).toBeCloseTo(Math.abs(second[5] - alone[5]) / 25, 9);
    expect(second[5]).not.toBe(alone[5]);
  });

  it("refuses points that coincide", () => {
    const transform = createFaceTransform(RESOLUTION);
    const one: AlignmentPoints = [
      [5, 5],
      [5, 5],
      [5, 5],
    ];
    expect(() => transform.next(one)).toThrow(
      expect.objectContaining({ code: "no_face", hint: expect.any(String) }),
    );
    // A refused face leaves no trace in the smoothing.
    const fine = placed(0.1, 2, 50, 60);
    expect(transform.next(fine)).toEqual(createFaceTransform(RESOLUTION).next(fine));
  });

  it("takes points on one line: the covariance has one direction, which fixes the rotation", () => {
    // Values of the official formula (torch.svd, float64) at 256 pixels.
    const expected: readonly (readonly [AlignmentPoints, AffineMatrix])[] = [
      [
        [
          [0, 0],
          [10, 5],
          [20, 10],
        ],
        [5.612628, -1.794201, 56.430512, 1.794201, 5.612628, 28.850433],
      ],
      [
        [
          [100, 50],
          [300, 50],
          [200, 50],
        ],
        [0.658794, 0, -26.758769, 0, 0.658794, 42.622993],
      ],
      [
        [
          [0, 0],
          [0, 0],
          [9, 4],
        ],
        [4.70542, -10.587196, 103.331616, 10.587196, 4.70542, 36.785701],
      ],
    ];
    for (const [points, matrix] of expected) {
      const actual = createFaceTransform(RESOLUTION).next(points);
      for (const [index, value] of matrix.entries()) expect(actual[index]).toBeCloseTo(value, 5);
    }
  });

  it("refuses numbers that are not finite", () => {
    const points: AlignmentPoints = [
      [0, 0],
      [Number.POSITIVE_INFINITY, 0],
      [5, 5],
    ];
    expect(() => createFaceTransform(RESOLUTION).next(points)).toThrow(
      expect.objectContaining({ code: "no_face" }),
    );
  });

  it("refuses a mirror image that fits at every angle alike", () => {
    // Against these points the covariance with the template is a pure reflection.
    const template = faceTemplate(RESOLUTION);
    const centre = [0, 1].map(
      (axis) => template.reduce((sum, point) => sum + point[axis as 0 | 1], 0) / 3,
    ) as [number, number];
    const spread = (axis: 0 | 1): number =>
      template.reduce((sum, point) => sum + (point[axis] - centre[axis]) ** 2, 0);
    const ratio = spread(0) / spread(1);
    const points = template.map(([x, y]) => [-x, y * ratio]) as unknown as AlignmentPoints;
    expect(() => createFaceTransform(RESOLUTION).next(points)).toThrow(
      expect.objectContaining({ code: "no_face" }),
    );
  });
});
