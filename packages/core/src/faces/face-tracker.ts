/** Follows faces from frame to frame by overlap, steady motion and appearance. */
import type { Face } from "../face.ts";
import type { Rectangle } from "../image.ts";
import { LEAST_LIKENESS } from "./appearance.ts";
import { assign } from "./assignment.ts";
import { growth, overlap, shift } from "./face-geometry.ts";
import type { ScannedFrame } from "./face-scan.ts";
import { KnownPeople } from "./known-people.ts";
import {
  LEAST_CUT_CHANGE,
  type PictureSketch,
  pictureChange,
  placeChange,
  placeContrast,
} from "./picture-sketch.ts";
import type { InShot } from "./shots.ts";
import { Tracklet } from "./tracklet.ts";

/** The detector may miss a face for so long. */
const MISSED_SECONDS = 0.5;
/** Of one shot, a face that is seen again near where it was, is who it was, after at most so long. */
const RETURN_SECONDS = 2;
/** Sightings outside of dissolves that make a face of what else is a flicker. */
const FEWEST_SIGHTINGS = 5;
/** A face in the next frame: how far from where it is expected, in its sides, if it does not overlap. */
const REACH = 0.5;
/** And how much larger or smaller. */
const MOST_GROWTH = Math.log(2);
const LIKENESS_WEIGHT = 2;
/** A face's place that changes more than this, of 1, does not show the face. */
const MOST_PLACE_CHANGE = 0.5;
/** Nor does one that keeps less than this of its contrast: it has faded. */
const LEAST_CONTRAST = 0.4;

interface Sighting {
  readonly index: number;
  readonly face: Face;
  readonly mixed: boolean;
}

export class FaceTracker {
  readonly #missedFrames: number;
  readonly #people: KnownPeople;
  /** Of the last frames, as many as can be missed and the two around them. */
  readonly #pictures: { readonly index: number; readonly picture: PictureSketch }[] = [];
  #tracklets: Tracklet[] = [];
  /** First frame of every shot. */
  readonly shotStarts: number[] = [];
  /** Frames that were added. */
  frameCount = 0;

  constructor(framesPerSecond: number) {
    this.#missedFrames = Math.max(2, Math.round(MISSED_SECONDS * framesPerSecond));
    this.#people = new KnownPeople(RETURN_SECONDS * framesPerSecond);
  }

  /** Those that are not forgotten, in the order of their start. */
  get tracklets(): readonly Tracklet[] {
    return this.#tracklets;
  }

  get people(): Pick<KnownPeople, "count"> {
    return this.#people;
  }

  /** Frames follow one another. */
  add(frame: InShot<ScannedFrame>): void {
    const { index, shot, picture } = frame;
    this.frameCount = index + 1;
    if (shot >= this.shotStarts.length) this.#cut(index);
    this.#pictures.push({ index, picture });
    if (this.#pictures.length > this.#missedFrames + 2) this.#pictures.shift();
    for (const tracklet of this.#open) {
      if (index - tracklet.last > this.#missedFrames + 1) this.#close(tracklet);
    }
    this.#sight(frame);
  }

  /** No frame follows. */
  end(): void {
    for (const tracklet of this.#open) this.#close(tracklet);
  }

  /** Forgets faces that were last seen before `frame` and cannot come back as the same. */
  forget(frame: number): void {
    const recent = this.frameCount - this.#people.returnFrames;
    this.#tracklets = this.#tracklets.filter(
      ({ ended, last }) => !ended || last >= Math.min(frame, recent),
    );
  }

  get #open(): Tracklet[] {
    return this.#tracklets.filter(({ ended }) => !ended);
  }

  #cut(index: number): void {
    this.end();
    this.shotStarts.push(index);
    this.#pictures.length = 0;
  }

  #sight({ shot, index, faces, mixed }: InShot<ScannedFrame>): void {
    const open = this.#open;
    const columns = assign(
      open.map((tracklet) => faces.map((face) => cost(tracklet, index, face))),
    );
    for (const [row, column] of columns.entries()) {
      const face = faces[column];
      if (face !== undefined) this.#extend(open[row] as Tracklet, { index, face, mixed });
    }
    const fresh = faces.filter((_, column) => !columns.includes(column));
    for (const face of fresh.toSorted((a, b) => a.box.x - b.box.x)) {
      const tracklet = new Tracklet(shot, index);
      tracklet.add(index, face, mixed);
      this.#tracklets.push(tracklet);
    }
  }

  #extend(tracklet: Tracklet, { index, face, mixed }: Sighting): void {
    const before = tracklet.last;
    tracklet.add(index, face, mixed);
    for (let missed = before + 1; missed < index; missed++) {
      if (!this.#looksLike(tracklet, missed, [before, index])) tracklet.hide(missed);
    }
    if (tracklet.clearSightings === FEWEST_SIGHTINGS && !mixed) {
      this.#people.meet(tracklet, this.#tracklets);
    }
  }

  /** Whether the picture of a missed frame may show the face, as those around the gap do. */
  #looksLike(tracklet: Tracklet, missed: number, around: readonly number[]): boolean {
    const picture = this.#pictureOf(missed);
    if (picture === undefined) return false;
    const box = tracklet.boxAt(missed);
    const contrast = placeContrast(picture, box);
    return around.some((seen) => {
      const other = this.#pictureOf(seen);
      if (other === undefined) return false;
      const seenBox = tracklet.boxAt(seen);
      return (
        pictureChange(other, picture) < LEAST_CUT_CHANGE &&
        placeChange(other, seenBox, picture, box) < MOST_PLACE_CHANGE &&
        contrast >= LEAST_CONTRAST * placeContrast(other, seenBox)
      );
    });
  }

  #pictureOf(index: number): PictureSketch | undefined {
    return this.#pictures.find((kept) => kept.index === index)?.picture;
  }

  /** A face that was seen too seldom is forgotten, unless its shot is hardly longer. */
  #close(tracklet: Tracklet): void {
    tracklet.ended = true;
    if (tracklet.person !== undefined) return;
    const shotFrames = this.frameCount - (this.shotStarts[tracklet.shot] as number);
    if (2 * tracklet.sightings >= shotFrames) this.#people.meet(tracklet, this.#tracklets);
    else this.#tracklets = this.#tracklets.filter((other) => other !== tracklet);
  }
}

/** How ill a face continues a track; `Infinity` if it cannot. */
function cost(tracklet: Tracklet, index: number, face: Face): number {
  const expected: Rectangle = tracklet.expectedBox(index);
  const grown = growth(expected, face.box);
  const covered = overlap(expected, face.box);
  if (grown > MOST_GROWTH) return Number.POSITIVE_INFINITY;
  if (covered === 0 && shift(expected, face.box) > REACH) return Number.POSITIVE_INFINITY;
  const likeness =
    face.appearance === undefined ? undefined : tracklet.appearance.likeness(face.appearance);
  if (likeness === undefined) return 1 - covered + grown;
  if (likeness < LEAST_LIKENESS) return Number.POSITIVE_INFINITY;
  return 1 - covered + grown + LIKENESS_WEIGHT * (1 - likeness);
}
