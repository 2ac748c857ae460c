/** What covers the faces of a chunk: a hand that a network finds, or a thing of another colour. */
import { withoutShortGaps, withoutShortRuns } from "./cover-runs.ts";
import { fitEdges } from "./edge-fit.ts";
import { enlarged } from "./face-cells.ts";
import type { HandNetwork } from "./hand-network.ts";
import { drawHand } from "./hand-shape.ts";
import { trackHand } from "./hand-tracker.ts";
import { findObject } from "./object-cover.ts";

/** Weight of the frames before and after in a cover, for a steady edge. */
const NEIGHBOUR_WEIGHT = 0.25;

/**
 * @param faces `[3, side, side]` uint8 each, RGB planes, of frames that follow one another.
 * @returns `[side, side]` float32 each, 0 free to 1 covered; `undefined` for a free face.
 */
export function findCovers(
  network: HandNetwork,
  faces: readonly Uint8Array[],
  side: number,
): readonly (Float32Array<ArrayBuffer> | undefined)[] {
  const hands = lasting(trackHand(network, faces, side)).map((hand) =>
    hand === undefined ? undefined : drawHand(hand, side),
  );
  const objects = lasting(faces.map((face) => findObject(face, side)));
  const rough = faces.map((_, index) => union(hands[index], objects[index]));
  return rough.map((cover, index) => {
    if (cover === undefined) return undefined;
    const steady = steadied(cover, rough[index - 1], rough[index + 1]);
    return fitEdges(enlarged(steady, side), faces[index] as Uint8Array, side);
  });
}

function lasting<T>(found: readonly (T | undefined)[]): (T | undefined)[] {
  return withoutShortRuns(withoutShortGaps(found));
}

function union(a: Float32Array | undefined, b: Float32Array | undefined): Float32Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.map((value, index) => Math.max(value, b[index] as number));
}

/** A neighbour that is free does not thin a cover out. */
function steadied(
  cover: Float32Array,
  before: Float32Array = cover,
  after: Float32Array = cover,
): Float32Array {
  return cover.map(
    (value, index) =>
      (1 - 2 * NEIGHBOUR_WEIGHT) * value +
      NEIGHBOUR_WEIGHT * ((before[index] as number) + (after[index] as number)),
  );
}
