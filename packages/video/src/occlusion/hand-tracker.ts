/** Finds the hand over a face in aligned squares that follow one another. */
import { type FramePart, type RotatedSquare, wholeFrame } from "../faces/image-sampling.ts";
import { type Hand, type HandNetwork, squareAroundHand } from "./hand-network.ts";

/** Squares from one search for a hand to the next: a search takes six runs of the network. */
const SEARCH_INTERVAL = 8;
/** Where hands are looked for: middle and side of a square, of the side of the face's. */
const PROBES = [
  { centerY: 0.69, size: 0.78 },
  { centerY: 0.82, size: 0.98 },
] as const;
/** Fingers pointing up, from the left and from the right. */
const ANGLES: readonly number[] = [0, Math.PI / 2, -Math.PI / 2];
/** Confidence of a probe that is worth a second look, and of that look. */
const MIN_PROBE_SCORE = 0.5;
const MIN_SCORE = 0.7;
/** Confidence with which a hand is followed. */
const MIN_FOLLOWED_SCORE = 0.5;
/** Fewer squares with a hand in a row than this, and it is none. */
const MIN_RUN = 3;

/** The hand of each face; `undefined` where there is none. */
export function trackHand(
  network: HandNetwork,
  faces: readonly { readonly width: number; readonly height: number; readonly data: Uint8Array }[],
): readonly (Hand | undefined)[] {
  const frames = faces.map(wholeFrame);
  const hands: (Hand | undefined)[] = [];
  for (const [index, frame] of frames.entries()) {
    const followed = follow(network, frame, hands[index - 1]);
    const isSearched = index % SEARCH_INTERVAL === 0 || index === frames.length - 1;
    hands.push(followed ?? (isSearched ? search(network, frame) : undefined));
  }
  // Into the squares before the one in which a hand was first found.
  for (let index = frames.length - 2; index >= 0; index--) {
    hands[index] ??= follow(network, frames[index] as FramePart, hands[index + 1]);
  }
  return withoutShortRuns(hands);
}

function follow(
  network: HandNetwork,
  frame: FramePart,
  before: Hand | undefined,
): Hand | undefined {
  if (before === undefined) return undefined;
  const hand = network.read(frame, squareAroundHand(before));
  return hand.score >= MIN_FOLLOWED_SCORE ? hand : undefined;
}

function search(network: HandNetwork, frame: FramePart): Hand | undefined {
  const probed = probeSquares(frame.width)
    .map((square) => network.read(frame, square))
    .filter(({ score }) => score >= MIN_PROBE_SCORE)
    .toSorted((a, b) => b.score - a.score);
  for (const hand of probed) {
    const closer = network.read(frame, squareAroundHand(hand));
    if (closer.score >= MIN_SCORE) return closer;
  }
  return undefined;
}

function probeSquares(side: number): RotatedSquare[] {
  return PROBES.flatMap(({ centerY, size }) =>
    ANGLES.map((angle) => ({
      centerX: side / 2,
      centerY: centerY * side,
      size: size * side,
      angle,
    })),
  );
}

/** `values` without those that last for less than three in a row, or for all of a shorter list. */
export function withoutShortRuns<T>(values: readonly (T | undefined)[]): (T | undefined)[] {
  const needed = Math.min(MIN_RUN, values.length);
  const kept: (T | undefined)[] = values.map(() => undefined);
  let start = 0;
  while (start < values.length) {
    let end = start;
    while (end < values.length && values[end] !== undefined) end++;
    if (end - start >= needed) {
      for (let index = start; index < end; index++) kept[index] = values[index];
    }
    start = end + 1;
  }
  return kept;
}
