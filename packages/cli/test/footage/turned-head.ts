/**
 * Heads that are turned to the side: a frame's pixels on a head of a general shape, an ellipsoid with
 * nose, lips, chin and eye sockets, seen from elsewhere. The back has the colours of the front's edge.
 */
import type { AlignmentPoints, Point, Rectangle, RgbImage } from "@ls/core";
import sharp from "sharp";

/** What is known of a face that looks at the camera. */
export interface FrontalFace {
  readonly box: Rectangle;
  readonly points: AlignmentPoints;
  readonly mouth: { readonly box: Rectangle };
}

/** A dent or bump: where, how high, and how far it reaches, in widths of the face. */
interface Bump {
  readonly at: Point;
  readonly height: number;
  readonly across: number;
  readonly up: number;
  readonly down: number;
}

/** Half axes in widths and heights of the face's box; the crown is above the box. */
const HALF_WIDTH = 0.58;
const HALF_DEPTH = 0.68;
const HALF_HEIGHT = 0.72;
/** Cells that the head is made of: pixels of their height, and their number in a row. */
const STEP = 2;
const COLUMNS = 120;
/** Where the back's colours come from, of half the width. */
const EDGE = 0.9;

/** The depth of a head's surface, in pixels, from the plane of the ears to the camera. */
class HeadShape {
  readonly middle: Point;
  readonly #width: number;
  readonly #halfHeight: number;
  readonly #bumps: readonly Bump[];

  constructor({ box, points, mouth }: FrontalFace) {
    const { x, y, width, height } = box;
    this.#width = width;
    this.#halfHeight = HALF_HEIGHT * height;
    this.middle = [x + width / 2, y + height - this.#halfHeight];
    const [left, right, nose] = points;
    const lips: Point = [mouth.box.x + mouth.box.width / 2, mouth.box.y + mouth.box.height / 2];
    const eye = (brow: Point): Point => [brow[0], brow[1] + 0.17 * width];
    this.#bumps = [
      { at: nose, height: 0.15, across: 0.075, up: 0.2, down: 0.06 },
      { at: lips, height: 0.05, across: 0.14, up: 0.08, down: 0.07 },
      { at: [lips[0], y + height], height: 0.09, across: 0.13, up: 0.1, down: 0.1 },
      { at: eye(left), height: -0.05, across: 0.1, up: 0.07, down: 0.07 },
      { at: eye(right), height: -0.05, across: 0.1, up: 0.07, down: 0.07 },
    ];
  }

  /** Half the width of the head in a row; 0 above and below it. */
  halfWidthAt(y: number): number {
    const down = (y - this.middle[1]) / this.#halfHeight;
    return HALF_WIDTH * this.#width * Math.sqrt(Math.max(0, 1 - down ** 2));
  }

  backDepthAt([x, y]: Point): number {
    const across = (x - this.middle[0]) / (HALF_WIDTH * this.#width);
    const down = (y - this.middle[1]) / this.#halfHeight;
    return -HALF_DEPTH * this.#width * Math.sqrt(Math.max(0, 1 - across ** 2 - down ** 2));
  }

  /** 0 at the head's edge and beside it. */
  depthAt([x, y]: Point): number {
    const depthOfBall = -this.backDepthAt([x, y]) / this.#width;
    const left = (depthOfBall / HALF_DEPTH) ** 2;
    let depth = depthOfBall;
    for (const bump of this.#bumps) {
      const u = (x - bump.at[0]) / this.#width / bump.across;
      const v = (y - bump.at[1]) / this.#width / (y < bump.at[1] ? bump.up : bump.down);
      depth += bump.height * Math.exp(-(u ** 2 + v ** 2) / 2) * Math.min(1, 2 * left);
    }
    return depth * this.#width;
  }

  /** The point of a row that has the colour of the head's back there. */
  edgeBeside([x, y]: Point): Point {
    return [this.middle[0] + Math.sign(x - this.middle[0]) * EDGE * this.halfWidthAt(y), y];
  }

  /** Offsets of a brow's or a nose's landmarks from their mean, in pixels. */
  landmarks(index: number): readonly Point[] {
    const brow = [-0.12, -0.06, 0, 0.06, 0.12].map((x): Point => [x, 0]);
    const nose: readonly Point[] = [
      [0, -0.06],
      [0, 0],
      [-0.09, 0.03],
      [0.09, 0.03],
    ];
    return (index < 2 ? brow : nose).map(([x, y]) => [x * this.#width, y * this.#width]);
  }
}

/** The corners of a cell, those of its lower row within the head's width there. */
function cornersOf(x: number, y: number, width: number, shape: HeadShape): readonly Point[] {
  const half = shape.halfWidthAt(y);
  const below = half === 0 ? 0 : shape.halfWidthAt(y + STEP) / half;
  const inRow = (column: number, scale: number): number =>
    shape.middle[0] + (column - shape.middle[0]) * scale;
  return [
    [x, y],
    [x + width, y],
    [inRow(x, below), y + STEP],
    [inRow(x + width, below), y + STEP],
  ];
}

export interface TurnedHead {
  readonly image: RgbImage;
  readonly points: AlignmentPoints;
}

/** The picture with its head turned. @param yawDegrees over 0: to the right of the picture. */
export async function turnHead(
  image: RgbImage,
  face: FrontalFace,
  yawDegrees: number,
): Promise<TurnedHead> {
  const shape = new HeadShape(face);
  const yaw = (yawDegrees * Math.PI) / 180;
  const place = ([x, y]: Point, depth: number): Place => [
    shape.middle[0] + (x - shape.middle[0]) * Math.cos(yaw) + depth * Math.sin(yaw),
    y,
    depth * Math.cos(yaw) - (x - shape.middle[0]) * Math.sin(yaw),
  ];
  const canvas = new Canvas(await surroundings(image, face));
  for (let y = face.box.y - face.box.height; y < image.height; y += STEP) {
    const half = shape.halfWidthAt(y);
    const width = (2 * half) / COLUMNS;
    for (let column = 0; column < COLUMNS; column++) {
      const x = shape.middle[0] - half + column * width;
      const corners = cornersOf(x, y, width, shape);
      const front = corners.map((corner) => place(corner, shape.depthAt(corner)));
      canvas.paint(image, corners, front);
      const back = corners.map((corner) => place(corner, shape.backDepthAt(corner)));
      canvas.paint(
        image,
        corners.map((corner) => shape.edgeBeside(corner)),
        back,
      );
    }
  }
  const points = face.points.map(([x, y], index): Point => {
    const places = shape.landmarks(index).map(([across, down]) => {
      const landmark: Point = [x + across, y + down];
      return place(landmark, shape.depthAt(landmark))[0];
    });
    return [places.reduce((sum, value) => sum + value, 0) / places.length, y];
  });
  return { image: canvas.image, points: points as unknown as AlignmentPoints };
}

/** The frame, blurred but for the shoulders, so that the head is not seen twice. */
async function surroundings(image: RgbImage, { box }: FrontalFace): Promise<RgbImage> {
  const { width, height } = image;
  const raw = { width, height, channels: 3 } as const;
  const data = await sharp(image.data, { raw })
    .blur(box.width / 3)
    .raw()
    .toBuffer();
  const shoulders = Math.round(box.y + box.height * 1.02) * width * 3;
  data.set(image.data.subarray(shoulders), shoulders);
  return { width, height, data };
}

/** A picture to which quadrilaterals are drawn, the nearest on top. */
class Canvas {
  readonly image: RgbImage;
  readonly #depths: Float32Array;

  constructor(image: RgbImage) {
    this.image = image;
    this.#depths = new Float32Array(image.width * image.height).fill(Number.NEGATIVE_INFINITY);
  }

  /** Draws one cell from corners in `source` at places of x, y and depth: rows stay rows. */
  paint(source: RgbImage, corners: readonly Point[], places: readonly Place[]): void {
    const [a, b, c, d] = places as readonly [Place, Place, Place, Place];
    const from = corners.map(([x, y]): Place => [x, y, 0]) as [Place, Place, Place, Place];
    const { width, height } = this.image;
    for (let row = Math.max(0, Math.ceil(a[1])); row < Math.min(height, c[1]); row++) {
      const down = (row - a[1]) / STEP;
      const [left, right] = [between(a, c, down), between(b, d, down)];
      const [fromLeft, fromRight] = [
        between(from[0], from[2], down),
        between(from[1], from[3], down),
      ];
      const [first, last] = [Math.min(left[0], right[0]), Math.max(left[0], right[0])];
      for (
        let column = Math.max(0, Math.ceil(first));
        column <= Math.min(width - 1, last);
        column++
      ) {
        const share = last === first ? 0 : (column - left[0]) / (right[0] - left[0]);
        const [, , depth] = between(left, right, share);
        const at = row * width + column;
        if (depth <= (this.#depths[at] as number)) continue;
        this.#depths[at] = depth;
        const [x, y] = between(fromLeft, fromRight, share);
        copyPixel(source, [x, y], this.image, at * 3);
      }
    }
  }
}

type Place = readonly [x: number, y: number, depth: number];

function between(a: Place, b: Place, share: number): Place {
  const mix = (axis: 0 | 1 | 2): number => a[axis] + (b[axis] - a[axis]) * share;
  return [mix(0), mix(1), mix(2)];
}

function copyPixel(source: RgbImage, [x, y]: Point, target: RgbImage, at: number): void {
  const { width, height, data } = source;
  const [left, top] = [clamp(Math.floor(x), width - 2), clamp(Math.floor(y), height - 2)];
  const [across, down] = [Math.min(1, Math.max(0, x - left)), Math.min(1, Math.max(0, y - top))];
  const from = (top * width + left) * 3;
  for (let channel = 0; channel < 3; channel++) {
    const [a = 0, b = 0, c = 0, d = 0] = [0, 3, width * 3, width * 3 + 3].map(
      (step) => data[from + step + channel],
    );
    const upper = a + (b - a) * across;
    target.data[at + channel] = upper + (c + (d - c) * across - upper) * down;
  }
}

function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}
