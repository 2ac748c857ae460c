/**
 * Where a video is cut. A cut is a boundary whose two sides stay unlike: a flash or a black frame
 * comes back to what was before, and a fast motion changes as much on one side as over the boundary.
 * A dissolve is cut in its middle.
 */
import type { Face } from "../face.ts";
import { likeness, SURE_LIKENESS } from "./appearance.ts";
import { dissolveHalves, isDissolve } from "./dissolves.ts";
import {
  LEAST_CUT_CHANGE,
  medianChange,
  pictureChange,
  type PictureSketch,
} from "./picture-sketch.ts";

/** How many times more the picture changes over a cut than on either side of it. */
const CUT_OVER_MOTION = 2;
/** What lasts longer than this is no flash. */
const FLASH_SECONDS = 0.2;

interface Sketched {
  readonly picture: PictureSketch;
  readonly faces: readonly Pick<Face, "appearance">[];
}

/** A frame with its shot, counted from 0, and whether it still shows the shot before. */
export type InShot<T> = T & { readonly shot: number; readonly mixed: boolean };

/** Tells of each frame which shot it belongs to, about a second later. */
export async function* inShots<T extends Sketched>(
  frames: AsyncIterable<T>,
  framesPerSecond: number,
): AsyncGenerator<InShot<T>> {
  const side = Math.max(2, Math.round(FLASH_SECONDS * framesPerSecond));
  const halves = dissolveHalves(framesPerSecond);
  const longest = Math.max(...halves);
  let shot = 0;
  /** Frames until any dissolve is over whose middle was found last: its ends are not known. */
  let dissolving = 0;
  for await (const { items, at } of surrounded(withCuts(frames, side), longest + side)) {
    const { frame, cut } = items[at] as Marked<T>;
    const dissolve = !cut && dissolving === 0 && isMiddle(items, at, { halves, side });
    if (cut || dissolve) shot += 1;
    dissolving = dissolve ? longest : cut ? 0 : Math.max(0, dissolving - 1);
    yield { ...frame, shot, mixed: dissolving > 0 };
  }
}

/** A frame, and whether the picture changes at once before it. */
interface Marked<T> {
  readonly frame: T;
  readonly cut: boolean;
}

async function* withCuts<T extends Sketched>(
  frames: AsyncIterable<T>,
  side: number,
): AsyncGenerator<Marked<T>> {
  for await (const { items, at } of surrounded(withChanges(frames), side + 1)) {
    yield { frame: (items[at] as Changed<T>).frame, cut: isCut(items, at, side) };
  }
}

/** A frame, and how much the picture differs from that of the frame before. */
interface Changed<T> {
  readonly frame: T;
  readonly change: number;
}

async function* withChanges<T extends Sketched>(
  frames: AsyncIterable<T>,
): AsyncGenerator<Changed<T>> {
  let before: PictureSketch | undefined;
  for await (const frame of frames) {
    yield { frame, change: before === undefined ? 0 : pictureChange(before, frame.picture) };
    before = frame.picture;
  }
}

/** Whether a shot begins at `place`, as up to `side` frames on either side show. */
function isCut(frames: readonly Changed<Sketched>[], place: number, side: number): boolean {
  const change = frames[place]?.change ?? 0;
  if (change < LEAST_CUT_CHANGE / 2) return false;
  // Of boundaries next to one another, as round a blended frame, the one of the greatest change.
  const neighbours = [-2, -1, 1, 2].map((step) => frames[place + step]?.change ?? 0);
  if (neighbours.some((other, index) => (index < 2 ? other >= change : other > change))) {
    return false;
  }
  const pictures = frames.map(({ frame }) => frame.picture);
  const before = pictures.slice(Math.max(0, place - side), place);
  // The frame at the boundary may be a mixture of both sides.
  const after = pictures.slice(Math.min(place + 1, frames.length - 1), place + 1 + side);
  const pairs = before.toReversed().flatMap((a) => after.map((b) => [a, b] as const));
  let across = 1;
  for (const [a, b] of pairs) {
    across = Math.min(across, pictureChange(a, b));
    if (across < LEAST_CUT_CHANGE) return false;
  }
  return across >= CUT_OVER_MOTION * Math.max(medianChange(before), medianChange(after));
}

/** Whether the middle of a dissolve is at `place`. */
function isMiddle(
  frames: readonly Marked<Sketched>[],
  place: number,
  { halves, side }: { readonly halves: readonly number[]; readonly side: number },
): boolean {
  const pictures = frames.map(({ frame }) => frame.picture);
  return halves.some((half) => {
    const around = frames.slice(Math.max(0, place - half - side + 2), place + half + side);
    if (around.some(({ cut }) => cut)) return false;
    const otherPeople = showOthers(frames[place - half]?.frame, frames[place + half]?.frame);
    return isDissolve(pictures, place, { half, side, otherPeople });
  });
}

/** Whether both frames show people, and nobody who may be in both. */
function showOthers(before: Sketched | undefined, after: Sketched | undefined): boolean {
  const [ones, others] = [before, after].map((frame) =>
    (frame?.faces ?? []).flatMap(({ appearance }) => appearance ?? []),
  ) as [Float32Array[], Float32Array[]];
  return (
    Math.min(ones.length, others.length) > 0 &&
    ones.every((one) => others.every((other) => likeness(one, other) < SURE_LIKENESS))
  );
}

interface Surrounded<T> {
  /** Only until the next is asked for. */
  readonly items: readonly T[];
  /** The index in `items` of the one whose turn it is. */
  readonly at: number;
}

/** Every item with up to `reach` others on either side. */
async function* surrounded<T>(
  items: AsyncIterable<T>,
  reach: number,
): AsyncGenerator<Surrounded<T>> {
  const near: T[] = [];
  let at = 0;
  const step = (): void => {
    if (at < reach) at += 1;
    else near.shift();
  };
  for await (const item of items) {
    near.push(item);
    if (near.length - at <= reach) continue;
    yield { items: near, at };
    step();
  }
  while (at < near.length) {
    yield { items: near, at };
    step();
  }
}
