/** Which of several faces a run is about: one that is pointed at, and then the same one. */
import type { Face } from "../face.ts";
import type { Rectangle } from "../image.ts";

/** A place in a frame, from (0, 0) left top to (1, 1) right bottom. */
export interface RelativePoint {
  readonly x: number;
  readonly y: number;
}

interface FrameSize {
  readonly width: number;
  readonly height: number;
}

/** Least intersection over union of a face's boxes in two frames that follow one another. */
const MIN_OVERLAP = 0.1;
/** Or their centres are at most this part of the larger side apart: the face came nearer, or went. */
const MAX_SHIFT = 0.5;

/** Chooses the face that is nearest to a point, in the first frame with faces, and follows it. */
export class FaceChoice {
  readonly #point: RelativePoint;
  #last: Rectangle | undefined;

  constructor(point: RelativePoint) {
    this.#point = point;
  }

  /**
   * The chosen face among those of the next frame; `undefined` if it is not there. Their order does
   * not matter.
   */
  next(faces: readonly Face[], frame: FrameSize): Face | undefined {
    const last = this.#last;
    const face = last === undefined ? this.#nearest(faces, frame) : sameFace(faces, last);
    if (face !== undefined) this.#last = face.box;
    return face;
  }

  /** By the distance to the box; inside several, by that to the centre. */
  #nearest(faces: readonly Face[], { width, height }: FrameSize): Face | undefined {
    const point = { x: this.#point.x * width, y: this.#point.y * height, width: 0, height: 0 };
    return faces.toSorted(
      (a, b) => gap(a.box, point) - gap(b.box, point) || shift(a.box, point) - shift(b.box, point),
    )[0];
  }
}

/** The face whose box goes on from `last`: the one that covers it best, else the nearest. */
function sameFace(faces: readonly Face[], last: Rectangle): Face | undefined {
  const reach = MAX_SHIFT * Math.max(last.width, last.height);
  return faces
    .filter(({ box }) => overlap(box, last) >= MIN_OVERLAP || shift(box, last) <= reach)
    .toSorted(
      (a, b) =>
        overlap(b.box, last) - overlap(a.box, last) || shift(a.box, last) - shift(b.box, last),
    )[0];
}

/** Distance from a rectangle to a point, 0 inside. */
function gap(box: Rectangle, point: Rectangle): number {
  const x = Math.max(box.x - point.x, 0, point.x - box.x - box.width);
  const y = Math.max(box.y - point.y, 0, point.y - box.y - box.height);
  return Math.hypot(x, y);
}

/** Distance between the centres. */
function shift(a: Rectangle, b: Rectangle): number {
  return Math.hypot(a.x + a.width / 2 - b.x - b.width / 2, a.y + a.height / 2 - b.y - b.height / 2);
}

/** Intersection over union. */
function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}
