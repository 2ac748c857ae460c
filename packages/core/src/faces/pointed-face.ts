/** The face that is pointed at, at a time of the video. */
import type { Candidate } from "./candidates.ts";
import { furthest } from "./candidates.ts";
import { distanceTo } from "./face-geometry.ts";
import type { FaceTracker } from "./face-tracker.ts";
import type { Person, Tracklet } from "./tracklet.ts";

export interface PointedFaceOptions {
  readonly tracker: FaceTracker;
  readonly framesPerSecond: number;
  readonly width: number;
  readonly height: number;
  /** Frames after the time that are waited for, if it shows no face. */
  readonly wait: number;
}

export class PointedFace {
  readonly #options: PointedFaceOptions;
  readonly #timeSeconds: number;
  readonly #x: number;
  readonly #y: number;
  /** The frame of the time; before it has come, the last that has. */
  #frame = 0;
  #hasCome = false;
  #target: Tracklet | undefined;

  /** @param place from (0, 0) left top to (1, 1). */
  constructor(
    place: { readonly x: number; readonly y: number; readonly timeSeconds: number },
    options: PointedFaceOptions,
  ) {
    this.#options = options;
    this.#timeSeconds = place.timeSeconds;
    this.#x = place.x * options.width;
    this.#y = place.y * options.height;
  }

  see(frame: number, timeSeconds: number): void {
    if (this.#hasCome) return;
    this.#frame = frame;
    this.#hasCome = timeSeconds + 0.5 / this.#options.framesPerSecond >= this.#timeSeconds;
  }

  /** Finds the face, once; false if more frames must be seen first. */
  find(complete: boolean): boolean {
    if (this.#target !== undefined) return true;
    const { tracker, wait } = this.#options;
    if (!complete && !(this.#hasCome && tracker.frameCount > this.#frame + wait)) return false;
    [this.#target] = tracker.tracklets
      .filter(({ person }) => person !== undefined)
      .toSorted(
        (a, b) =>
          this.#wait(a) - this.#wait(b) ||
          this.#distance(a) - this.#distance(b) ||
          this.#offCentre(a) - this.#offCentre(b),
      );
    return complete || this.#target !== undefined;
  }

  /**
   * The person among those of a shot. Where nobody can be recognised, in another shot the one who is
   * nearest to the place.
   */
  among(candidates: readonly Candidate[], shot: number): Person | undefined {
    const target = this.#target;
    if (target?.person === undefined) return undefined;
    const same = candidates.find(({ person }) => person === target.person);
    if (same !== undefined) return same.person;
    const isKnown = target.appearance.likeness(target.appearance) !== undefined;
    if (isKnown || shot === target.shot) return undefined;
    return furthest(candidates, ({ x, y }) => -Math.hypot(x - this.#x, y - this.#y))?.person;
  }

  /** Frames from the time until the face is seen; it was seen before rather than not at all. */
  #wait({ start, last }: Tracklet): number {
    if (start > this.#frame) return start - this.#frame;
    return last >= this.#frame ? 0 : this.#options.wait + this.#frame - last;
  }

  #distance(tracklet: Tracklet): number {
    return distanceTo(tracklet.boxAt(this.#nearestFrame(tracklet)), this.#x, this.#y);
  }

  #offCentre(tracklet: Tracklet): number {
    const { x, y, width, height } = tracklet.boxAt(this.#nearestFrame(tracklet));
    return Math.hypot(x + width / 2 - this.#x, y + height / 2 - this.#y);
  }

  #nearestFrame({ start, last }: Tracklet): number {
    return Math.min(Math.max(this.#frame, start), last);
  }
}
