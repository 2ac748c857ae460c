import { fitEdges } from "./edge-fit.ts";
import type { HandNetwork } from "./hand-network.ts";
/** What covers the faces of a chunk: a hand that a network finds, or a thing of another colour. */
import { drawHand } from "./hand-shape.ts";
import { trackHand, withoutShortRuns } from "./hand-tracker.ts";
import { CELLS, findObject } from "./object-cover.ts";

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
  const pictures = faces.map((face) => ({ width: side, height: side, data: interleaved(face) }));
  const hands = trackHand(network, pictures).map((hand) =>
    hand === undefined ? undefined : drawHand(hand, side),
  );
  const objects = withoutShortRuns(faces.map((face) => findObject(face, side))).map((cells) =>
    cells === undefined ? undefined : enlarged(cells, side),
  );
  const rough = faces.map((_, index) => union(hands[index], objects[index]));
  return rough.map((cover, index) => {
    if (cover === undefined) return undefined;
    const steady = steadied(cover, rough[index - 1], rough[index + 1]);
    return fitEdges(steady, faces[index] as Uint8Array, side) as Float32Array<ArrayBuffer>;
  });
}

function interleaved(face: Uint8Array): Uint8Array {
  const plane = face.length / 3;
  const data = new Uint8Array(face.length);
  for (let index = 0; index < plane; index++) {
    data[index * 3] = face[index] as number;
    data[index * 3 + 1] = face[index + plane] as number;
    data[index * 3 + 2] = face[index + 2 * plane] as number;
  }
  return data;
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

/** Cells as pixels, between their middles linear. */
function enlarged(cells: Float32Array, side: number): Float32Array {
  const steps = Array.from({ length: side }, (_, index) => {
    const place = Math.min(Math.max(((index + 0.5) * CELLS) / side - 0.5, 0), CELLS - 1);
    const first = Math.min(Math.floor(place), CELLS - 2);
    return { first, share: place - first };
  });
  const result = new Float32Array(side * side);
  for (const [y, row] of steps.entries()) {
    for (const [x, column] of steps.entries()) {
      const at = row.first * CELLS + column.first;
      const upper = mix(cells[at] as number, cells[at + 1] as number, column.share);
      const lower = mix(cells[at + CELLS] as number, cells[at + CELLS + 1] as number, column.share);
      result[y * side + x] = mix(upper, lower, row.share);
    }
  }
  return result;
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}
