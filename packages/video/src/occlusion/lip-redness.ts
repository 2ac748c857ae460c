/** How much lips are seen, by their red: little where something covers them. */
import { cellsIn, FaceCells } from "./face-cells.ts";

/** Both halves of the mouth, and what is around each. */
const HALVES = [
  {
    lips: cellsIn({ left: 0.4, right: 0.5, top: 0.55, bottom: 0.74 }),
    around: cellsIn({ left: 0.4, right: 0.5, top: 0.5, bottom: 0.82 }),
  },
  {
    lips: cellsIn({ left: 0.5, right: 0.6, top: 0.55, bottom: 0.74 }),
    around: cellsIn({ left: 0.5, right: 0.6, top: 0.5, bottom: 0.82 }),
  },
] as const;
/** Of the cells, in order of their red: one of the lips, and one of the skin around. */
const REDDEST = 0.9;
const USUAL = 0.25;

/**
 * By how much the lips are redder than the skin around them, in shares of the light, in the half of the
 * mouth where they are less so. It compares frames of one person; people differ.
 * @param face `[3, side, side]` uint8, RGB planes.
 */
export function lipRedness(face: Uint8Array, side: number): number {
  const cells = new FaceCells(face, side);
  const redness = (of: readonly number[], share: number): number => {
    const values = Float32Array.from(of, (cell) => {
      const { red, blue } = cells.colourOf(cell);
      return 2 * red + blue - 1;
    });
    return values.toSorted()[Math.floor(values.length * share)] as number;
  };
  return Math.min(
    ...HALVES.map(({ lips, around }) => redness(lips, REDDEST) - redness(around, USUAL)),
  );
}
