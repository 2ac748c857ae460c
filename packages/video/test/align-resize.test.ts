import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BicubicResizer } from "../src/align/bicubic-resize.ts";
import { LanczosResizer } from "../src/align/lanczos-resize.ts";

describe("LanczosResizer", () => {
  const source = Uint8Array.of(0, 10, 250, 30, 128, 255, 255, 0, 0, 77, 9, 200, 60, 255, 254);

  function resize(width: number, height: number): number[] {
    return [
      ...new LanczosResizer({ sourceWidth: 5, sourceHeight: 3, width, height, channels: 1 }).resize(
        source,
      ),
    ];
  }

  // Figures of OpenCV 4.9.0: resize(source, size, interpolation=INTER_LANCZOS4).
  it("enlarges as OpenCV does", () => {
    expect(resize(8, 6)).toEqual(
      [
        [0, 0, 0, 230, 241, 55, 61, 162],
        [79, 47, 76, 183, 146, 13, 38, 123],
        [224, 232, 201, 105, 2, 0, 29, 77],
        [216, 255, 255, 64, 0, 43, 106, 109],
        [56, 171, 222, 79, 46, 185, 234, 205],
        [0, 83, 184, 99, 114, 255, 255, 255],
      ].flat(),
    );
  });

  it("reduces as OpenCV does", () => {
    expect(resize(3, 2)).toEqual([52, 192, 55, 148, 31, 230]);
  });

  it("treats three channels as three images and puts them in planes", () => {
    const random = Uint8Array.from({ length: 6 * 7 * 3 }, (_, index) => (index * 7919) % 256);
    const size = { sourceWidth: 6, sourceHeight: 7, width: 11, height: 5 };
    const planes = new LanczosResizer({ ...size, channels: 3 }).resize(random);
    for (const channel of [0, 1, 2]) {
      const single = random.filter((_, index) => index % 3 === channel);
      const expected = new LanczosResizer({ ...size, channels: 1 }).resize(single);
      expect(planes.subarray(channel * 55, (channel + 1) * 55)).toEqual(expected);
    }
  });

  it("keeps the pixels at the same size", () => {
    const resizer = new LanczosResizer({
      sourceWidth: 2,
      sourceHeight: 1,
      width: 2,
      height: 1,
      channels: 3,
    });
    expect([...resizer.resize(Uint8Array.of(1, 2, 3, 4, 5, 6))]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("keeps an even colour within one step", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (value, sourceSize, size) => {
          const resizer = new LanczosResizer({
            sourceWidth: sourceSize,
            sourceHeight: sourceSize,
            width: size,
            height: size,
            channels: 1,
          });
          const result = resizer.resize(new Uint8Array(sourceSize * sourceSize).fill(value));
          expect(result.every((pixel) => Math.abs(pixel - value) <= 1)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("BicubicResizer", () => {
  const plane = Float32Array.from({ length: 36 }, (_, index) => ((index * 7919) % 101) / 50 - 1);
  const planes = Float32Array.from([...plane, ...plane.map((value) => -value), ...plane]);

  // Figures of torchvision 0.20.1: resize(plane, size, BICUBIC, antialias=True).
  const figures: [number, number, number[]][] = [
    [
      4,
      7,
      [
        -0.778422, 0.317916, -0.149726, -0.499595, 0.03358, 0.074768, -0.171808, -0.475195,
        0.349353, -0.003207, -0.454376, 0.291278, 0.136297, -0.192718, -0.129422, 0.408503,
        -0.02715, -0.309351, 0.430859, 0.151138, -0.031811, 0.042687, 0.464517, 0.165811, -0.40123,
        0.693738, 0.19922, -0.147962,
      ],
    ],
    [
      3,
      9,
      [
        -0.49599, 0.122507, -0.406785, -0.142899, 0.027288, -0.436018, 0.251573, -0.127426,
        -0.307395, 0.248643, -0.277128, 0.192249, 0.077144, -0.247414, 0.324822, -0.099363,
        -0.066768, 0.291058, -0.111058, 0.246768, 0.279363, -0.102909, 0.418155, 0.095176,
        -0.091374, 0.480111, -0.065558,
      ],
    ],
  ];

  it.each(figures)("resizes to %i x %i as torchvision does", (width, height, expected) => {
    const result = new BicubicResizer({ sourceSize: 6, width, height }).resize(planes, 1, 0);
    for (const [index, value] of expected.entries()) {
      expect(result[index * 3]).toBeCloseTo(value, 5);
      expect(result[index * 3 + 1]).toBeCloseTo(-value, 5);
      expect(result[index * 3 + 2]).toBeCloseTo(value, 5);
    }
  });

  it("applies gain and offset", () => {
    const resizer = new BicubicResizer({ sourceSize: 6, width: 4, height: 7 });
    const plain = Float64Array.from(resizer.resize(planes, 1, 0));
    const scaled = resizer.resize(planes, 127.5, 100);
    for (let index = 0; index < 4 * 7 * 3; index++) {
      expect(scaled[index]).toBeCloseTo(plain[index]! * 127.5 + 100, 9);
    }
  });
});
