/** Who is visibly speaking. */
import type { Candidate } from "./candidates.ts";
import { mouthMovement } from "./mouth-movement.ts";

/** Least movement of a mouth that speaks. */
const LEAST_SPEECH_MOVEMENT = 0.02;
/** How many times more it moves than any other's. */
const CLEAR_RATIO = 2;

/** The one whose mouth clearly moves most, as in speech; `undefined` if that cannot be told. */
export function speaker(
  candidates: readonly Candidate[],
  framesPerSecond: number,
): Candidate | undefined {
  const [best, second] = candidates
    .map((candidate) => ({
      candidate,
      movement: mouthMovement(candidate.openings, framesPerSecond) ?? 0,
    }))
    .toSorted((a, b) => b.movement - a.movement);
  if (best === undefined || best.movement < LEAST_SPEECH_MOVEMENT) return undefined;
  const isClear = best.movement >= CLEAR_RATIO * (second?.movement ?? 0);
  return isClear ? best.candidate : undefined;
}

/** Part of a mouth's openings that is judged at once. */
const WINDOW_SECONDS = 1;

/**
 * For how long a mouth moves as in speech.
 * @param openings one per frame, as `Face.mouthOpening`.
 */
export function speakingSeconds(openings: readonly number[], framesPerSecond: number): number {
  const size = Math.max(2, Math.round(WINDOW_SECONDS * framesPerSecond));
  let frames = 0;
  for (let start = 0; start < openings.length; start += size) {
    const window = openings.slice(start, start + size);
    const movement = mouthMovement(window, framesPerSecond) ?? 0;
    if (movement >= LEAST_SPEECH_MOVEMENT) frames += window.length;
  }
  return frames / framesPerSecond;
}
