/** A coarse grey copy of a frame: enough to notice a cut, or that a face's place shows no face. */
import type { Rectangle } from "../image.ts";
import type { VideoFrame } from "../video.ts";

const LONG_SIDE = 32;
const SHORT_SIDE = 18;
/** Rows of pixels that a row of the sketch is made of, where a frame knows no cheaper way. */
const STRIP_HEIGHT = 2;
/** Greys below this, of 255, are noise: differences of black are none. */
const FLOOR = 24;
/** Cells of a face that are compared, along each side. */
const FACE_CELLS = 6;
/** Least change of the picture at a cut, of 1. */
export const LEAST_CUT_CHANGE = 0.14;
/** Cells that the picture may move, and the part of it if it is not alike then. */
const NEAR_MOTION = 2;
const FAR_MOTION = 1 / 3;
const ALIKE = LEAST_CUT_CHANGE / 2;

export interface PictureSketch {
  readonly columns: number;
  readonly rows: number;
  /** `[rows, columns]` greys from 0, black. */
  readonly greys: Uint8Array;
  /** Pixels of the frame. */
  readonly width: number;
  readonly height: number;
}

export async function sketch(frame: VideoFrame): Promise<PictureSketch> {
  const { width, height } = frame;
  const [columns, rows] = width >= height ? [LONG_SIDE, SHORT_SIDE] : [SHORT_SIDE, LONG_SIDE];
  const greys = frame.greys?.(columns, rows) ?? (await greysOf(frame, columns, rows));
  return { columns, rows, greys, width, height };
}

/** Means of strips of the frame, one for every row. */
async function greysOf(frame: VideoFrame, columns: number, rows: number): Promise<Uint8Array> {
  const { width } = frame;
  const height = Math.min(STRIP_HEIGHT, frame.height);
  const greys = new Uint8Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    const y = Math.floor(((row + 0.5) / rows) * (frame.height - height));
    const strip = await frame.toRgb({ x: 0, y, width, height });
    for (let column = 0; column < columns; column++) {
      const from = Math.floor((column * width) / columns);
      const to = Math.max(from + 1, Math.floor(((column + 1) * width) / columns));
      greys[row * columns + column] = stripGrey(strip.data, { width, height, from, to });
    }
  }
  return greys;
}

function stripGrey(
  data: Uint8Array,
  part: {
    readonly width: number;
    readonly height: number;
    readonly from: number;
    readonly to: number;
  },
): number {
  let sum = 0;
  for (let row = 0; row < part.height; row++) {
    for (let column = part.from; column < part.to; column++) {
      const at = (row * part.width + column) * 3;
      sum += (data[at] as number) + 2 * (data[at + 1] as number) + (data[at + 2] as number);
    }
  }
  return sum / (4 * part.height * (part.to - part.from));
}

/**
 * How much two pictures differ, 0 to 1: the difference of greys over the greater of both, where the
 * pictures cover one another best if one is moved by up to a third of its sides, as a fast camera does.
 */
export function pictureChange(a: PictureSketch, b: PictureSketch): number {
  if (a.columns !== b.columns || a.rows !== b.rows) return 1;
  const near = leastChange(a, b, { across: NEAR_MOTION, down: NEAR_MOTION, enough: 0 });
  if (near < ALIKE) return near;
  const [across, down] = [Math.floor(a.columns * FAR_MOTION), Math.floor(a.rows * FAR_MOTION)];
  return leastChange(a, b, { across, down, enough: ALIKE });
}

/** How much two pictures of one size differ, 0 to 1, where they are. */
export function plainChange(a: PictureSketch, b: PictureSketch): number {
  return changeAt(a, b, 0, 0);
}

/** Change within a part of a shot: the median of all pairs, which a flash leaves be. */
export function medianChange(pictures: readonly PictureSketch[]): number {
  const changes = pictures.flatMap((a, index) =>
    pictures.slice(index + 1).map((b) => pictureChange(a, b)),
  );
  return changes.toSorted((a, b) => a - b)[changes.length >> 1] ?? 0;
}

/** The sum of a picture's greys, as changes are told of. */
export function brightness({ greys }: PictureSketch): number {
  return greys.reduce((sum, grey) => sum + Math.max(grey, FLOOR), 0);
}

export function meanGrey({ greys }: PictureSketch): number {
  return greys.reduce((sum, grey) => sum + grey, 0) / greys.length;
}

interface Search {
  /** Cells to each side. */
  readonly across: number;
  readonly down: number;
  /** A change below this need not be the least. */
  readonly enough: number;
}

function leastChange(a: PictureSketch, b: PictureSketch, search: Search): number {
  let least = 1;
  for (let down = -search.down; down <= search.down; down++) {
    for (let across = -search.across; across <= search.across; across++) {
      least = Math.min(least, changeAt(a, b, across, down));
    }
    if (least < search.enough) break;
  }
  return least;
}

function changeAt(a: PictureSketch, b: PictureSketch, across: number, down: number): number {
  const { columns, rows } = a;
  let difference = 0;
  let total = 0;
  for (let row = Math.max(0, -down); row < Math.min(rows, rows - down); row++) {
    for (
      let column = Math.max(0, -across);
      column < Math.min(columns, columns - across);
      column++
    ) {
      const one = a.greys[row * columns + column] as number;
      const other = b.greys[(row + down) * columns + column + across] as number;
      difference += Math.abs(one - other);
      total += Math.max(one, other, FLOOR);
    }
  }
  return difference / total;
}

/** How much the places of a face in two pictures differ, 0 to 1. */
export function placeChange(
  a: PictureSketch,
  placeA: Rectangle,
  b: PictureSketch,
  placeB: Rectangle,
): number {
  const others = placeGreys(b, placeB);
  let difference = 0;
  let total = 0;
  for (const [cell, one] of placeGreys(a, placeA).entries()) {
    const other = others[cell] as number;
    difference += Math.abs(one - other);
    total += Math.max(one, other, FLOOR);
  }
  return difference / total;
}

/** How much the greys of a place differ among themselves: their standard deviation, of 255. */
export function placeContrast(picture: PictureSketch, place: Rectangle): number {
  const greys = placeGreys(picture, place);
  const mean = greys.reduce((sum, grey) => sum + grey, 0) / greys.length;
  return Math.sqrt(greys.reduce((sum, grey) => sum + (grey - mean) ** 2, 0) / greys.length);
}

/** The greys in the middles of a place's cells, row by row. */
function placeGreys(picture: PictureSketch, place: Rectangle): readonly number[] {
  return Array.from({ length: FACE_CELLS ** 2 }, (_, cell) => {
    const x = ((cell % FACE_CELLS) + 0.5) / FACE_CELLS;
    const y = (Math.floor(cell / FACE_CELLS) + 0.5) / FACE_CELLS;
    return greyAt(picture, place, x, y);
  });
}

/** The grey at a part of a rectangle, 0 to 1 along each side; outside the frame that of its edge. */
function greyAt(picture: PictureSketch, place: Rectangle, x: number, y: number): number {
  const { columns, rows, width, height } = picture;
  const column = Math.floor(((place.x + x * place.width) / width) * columns);
  const row = Math.floor(((place.y + y * place.height) / height) * rows);
  const at = clamp(row, rows) * columns + clamp(column, columns);
  return picture.greys[at] as number;
}

function clamp(value: number, count: number): number {
  return Math.min(Math.max(value, 0), count - 1);
}
