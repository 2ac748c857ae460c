/** The people of a part of a shot, in numbers that tell them apart. */
import type { Person, Tracklet } from "./tracklet.ts";

/** Who is seen for a smaller part of the time than this, of who is seen longest, only passes. */
const LEAST_PRESENCE = 0.2;

export interface Candidate {
  readonly person: Person;
  /** Frames that show the person. */
  readonly frames: number;
  /** Pixels of the face, summed over the frames. */
  readonly area: number;
  /** Mean centre of the face, in pixels. */
  readonly x: number;
  readonly y: number;
  /** How far the mouth is open, frame by frame; NaN where it is not known. */
  readonly openings: readonly number[];
}

/** Who is seen from frame `from` up to, not including, `to`. */
export function candidatesOf(
  tracklets: readonly Tracklet[],
  from: number,
  to: number,
): readonly Candidate[] {
  const byPerson = Map.groupBy(
    tracklets.filter(({ person }) => person !== undefined),
    ({ person }) => person as Person,
  );
  const candidates = [...byPerson]
    .map(([person, tracks]) => summarise(person, tracks, from, to))
    .filter(({ frames }) => frames > 0);
  const longest = Math.max(0, ...candidates.map(({ frames }) => frames));
  return candidates.filter(({ frames }) => frames >= LEAST_PRESENCE * longest);
}

/** The candidate of the greatest value; of equal ones the first. */
export function furthest(
  candidates: readonly Candidate[],
  valueOf: (candidate: Candidate) => number,
): Candidate | undefined {
  return candidates.toSorted((a, b) => valueOf(b) - valueOf(a))[0];
}

function summarise(
  person: Person,
  tracklets: readonly Tracklet[],
  from: number,
  to: number,
): Candidate {
  let [frames, area, x, y] = [0, 0, 0, 0];
  const openings: number[] = [];
  for (const tracklet of tracklets) {
    const end = Math.min(to - 1, tracklet.last);
    for (let frame = Math.max(from, tracklet.start); frame <= end; frame++) {
      if (!tracklet.covers(frame)) continue;
      const box = tracklet.boxAt(frame);
      frames += 1;
      area += box.width * box.height;
      x += box.x + box.width / 2;
      y += box.y + box.height / 2;
      openings.push(tracklet.mouthAt(frame));
    }
  }
  return { person, frames, area, x: x / frames, y: y / frames, openings };
}
