/**
 * Where a video is cut. A cut is a boundary whose two sides stay unlike: a flash or a black frame
 * comes back to what was before, and a fast motion changes as much on one side as over the boundary.
 */
import { type PictureSketch, pictureChange } from "./picture-sketch.ts";

/** Least change of the picture at a cut, of 1. */
export const LEAST_CUT_CHANGE = 0.14;
/** How many times more the picture changes over a cut than on either side of it. */
const CUT_OVER_MOTION = 2;
/** What lasts longer than this is no flash. */
const FLASH_SECONDS = 0.2;

interface Sketched {
  readonly picture: PictureSketch;
}

/** A frame with its shot, counted from 0. */
export type InShot<T> = T & { readonly shot: number };

/** Tells of each frame which shot it belongs to, some frames later. */
export async function* inShots<T extends Sketched>(
  frames: AsyncIterable<T>,
  framesPerSecond: number,
): AsyncGenerator<InShot<T>> {
  const side = Math.max(2, Math.round(FLASH_SECONDS * framesPerSecond));
  const waiting: T[] = [];
  /** Frames that were told of already, of `waiting`. */
  let told = 0;
  let shot = 0;
  const tell = (): InShot<T> => {
    if (isCut(waiting, told, side)) shot += 1;
    const frame = waiting[told] as T;
    told += 1;
    while (told > side + 1) {
      waiting.shift();
      told -= 1;
    }
    return { ...frame, shot };
  };
  for await (const frame of frames) {
    waiting.push(frame);
    if (waiting.length - told > side + 1) yield tell();
  }
  while (told < waiting.length) yield tell();
}

/** Whether a shot begins at `place`, as up to `side` frames on either side show. */
function isCut(frames: readonly Sketched[], place: number, side: number): boolean {
  const change = changeBefore(frames, place);
  if (change < LEAST_CUT_CHANGE / 2) return false;
  // Of boundaries next to one another, as round a blended frame, the one of the greatest change.
  const neighbours = [-2, -1, 1, 2].map((step) => changeBefore(frames, place + step));
  if (neighbours.some((other, index) => (index < 2 ? other >= change : other > change))) {
    return false;
  }
  const before = frames.slice(Math.max(0, place - side), place);
  // The frame at the boundary may be a mixture of both sides.
  const after = frames.slice(Math.min(place + 1, frames.length - 1), place + 1 + side);
  const across = Math.min(
    ...before.flatMap((a) => after.map((b) => pictureChange(a.picture, b.picture))),
  );
  const motion = Math.max(motionIn(before), motionIn(after));
  return across >= LEAST_CUT_CHANGE && across >= CUT_OVER_MOTION * motion;
}

/** Change of the picture from the frame before to the one at `place`. */
function changeBefore(frames: readonly Sketched[], place: number): number {
  const [a, b] = [frames[place - 1], frames[place]];
  return a === undefined || b === undefined ? 0 : pictureChange(a.picture, b.picture);
}

/** Change of the picture within a part of a shot: the median of all pairs, which a flash leaves be. */
function motionIn(frames: readonly Sketched[]): number {
  const changes = frames.flatMap((a, index) =>
    frames.slice(index + 1).map((b) => pictureChange(a.picture, b.picture)),
  );
  return changes.toSorted((a, b) => a - b)[changes.length >> 1] ?? 0;
}
