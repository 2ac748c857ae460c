import { LatentSyncError } from "../errors.ts";
/** Decides, frame after frame, which of the followed faces are synced. */
import { SURE_LIKENESS } from "./appearance.ts";
import { type Candidate, candidatesOf, furthest } from "./candidates.ts";
import type { FaceSelection } from "./face-selection.ts";
import type { FaceTracker } from "./face-tracker.ts";
import { PointedFace } from "./pointed-face.ts";
import { speaker } from "./speaker.ts";
import type { Person, Tracklet } from "./tracklet.ts";

/** What is decided for a shot rests on so much of it. */
export const LOOK_AHEAD_SECONDS = 10;

export interface TrackChoiceOptions {
  readonly tracker: FaceTracker;
  readonly selection: FaceSelection;
  readonly framesPerSecond: number;
  /** Of the frames, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Frames after one that must be known of its tracks. */
  readonly margin: number;
}

/**
 * One person is chosen for a shot, or until nobody sees them for the whole look-ahead. Frames are
 * asked for in order.
 */
export class TrackChoice {
  readonly #options: TrackChoiceOptions;
  readonly #lookAhead: number;
  readonly #pointed: PointedFace | undefined;
  #chosen: Person | undefined;
  #shot = -1;
  /** No more frames come: what is not known will never be. */
  complete = false;

  constructor(options: TrackChoiceOptions) {
    this.#options = options;
    const { selection, framesPerSecond } = options;
    this.#lookAhead = Math.round(LOOK_AHEAD_SECONDS * framesPerSecond);
    this.#pointed =
      selection.kind === "at"
        ? new PointedFace(selection, { ...options, wait: this.#lookAhead })
        : undefined;
  }

  /** Tells when a frame is shown; of every frame, in order, before it is asked for. */
  see(frame: number, timeSeconds: number): void {
    this.#pointed?.see(frame, timeSeconds);
  }

  /** The faces of a frame; `undefined` if more frames must be seen first. */
  at(frame: number): readonly Tracklet[] | undefined {
    const { tracker, selection } = this.#options;
    if (!this.#isSettled(frame)) return undefined;
    const visible = tracker.tracklets
      .filter((tracklet) => tracklet.covers(frame) && tracklet.person !== undefined)
      .toSorted((a, b) => numberOf(a) - numberOf(b));
    if (visible.length === 0 || selection.kind === "all") return visible;
    if (selection.kind === "number") {
      return visible.filter((tracklet) => numberOf(tracklet) === selection.number);
    }
    if (!this.#decide(frame, (visible[0] as Tracklet).shot)) return undefined;
    return visible.filter(({ person }) => person === this.#chosen);
  }

  /** Whether no later frame can change the tracks at this one, or how they are smoothed. */
  #isSettled(frame: number): boolean {
    const { tracker, margin } = this.#options;
    return (
      frame < tracker.frameCount &&
      tracker.tracklets.every(
        ({ ended, start, last, person }) =>
          ended || start > frame || (person !== undefined && last >= frame + margin),
      )
    );
  }

  /** Sees to it that a person is chosen; false if more frames must be seen first. */
  #decide(frame: number, shot: number): boolean {
    const { tracker } = this.#options;
    const end = Math.min(
      frame + this.#lookAhead,
      tracker.shotStarts[shot + 1] ?? Number.POSITIVE_INFINITY,
    );
    const inSight = tracker.tracklets.filter(
      (tracklet) => tracklet.shot === shot && tracklet.last >= frame && tracklet.start < end,
    );
    const goesOn = inSight.some(({ person }) => person !== undefined && person === this.#chosen);
    if (shot === this.#shot && goesOn) return true;
    if (!this.complete && tracker.frameCount < end) return false;
    if (this.#pointed?.find(this.complete) === false) return false;
    const candidates = candidatesOf(inSight, frame, Math.min(end, tracker.frameCount));
    this.#chosen = this.#choose(candidates, shot);
    this.#shot = shot;
    return true;
  }

  #choose(candidates: readonly Candidate[], shot: number): Person | undefined {
    const { selection, width, height, framesPerSecond } = this.#options;
    switch (selection.kind) {
      case "left":
        return furthest(candidates, ({ x }) => -x)?.person;
      case "right":
        return furthest(candidates, ({ x }) => x)?.person;
      case "center":
        return furthest(candidates, ({ x, y }) => -Math.hypot(x - width / 2, y - height / 2))
          ?.person;
      case "like":
        return mostLike(candidates, selection.appearance);
      case "at":
        return this.#pointed?.among(candidates, shot);
      case "speaker": {
        const same = candidates.find(({ person }) => person === this.#chosen);
        if (same !== undefined) return same.person;
        const speaking = speaker(candidates, framesPerSecond);
        if (speaking !== undefined) return speaking.person;
        break;
      }
      default:
    }
    return furthest(candidates, ({ area }) => area)?.person;
  }
}

function numberOf({ person }: Tracklet): number {
  return person?.number ?? 0;
}

function mostLike(candidates: readonly Candidate[], appearance: Float32Array): Person | undefined {
  const known = candidates.flatMap(({ person }) => {
    const likeness = person.appearance.likeness(appearance);
    return likeness === undefined ? [] : [{ person, likeness }];
  });
  if (known.length === 0 && candidates.length > 0) {
    throw new LatentSyncError(
      "unsupported",
      "The face detector does not tell what faces look like, or not as the picture's did.",
      { hint: "Choose the face by its number or place, or use the detector of the picture." },
    );
  }
  const [best] = known.toSorted((a, b) => b.likeness - a.likeness);
  return best !== undefined && best.likeness >= SURE_LIKENESS ? best.person : undefined;
}
