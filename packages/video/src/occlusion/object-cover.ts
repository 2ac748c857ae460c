/**
 * Finds a thing of another colour than the face in front of the mouth, such as a microphone or a
 * cup, whether it is held or hangs. What makes it one: where the lips would be there is a solid patch
 * of colours that neither skin, lips, tongue nor the mouth's dark have, and it ends sharply. An open
 * mouth, teeth and beards leave no such patch, as lips lie between; light and shadow have no sharp end.
 */
import { cellsIn, type Colour, colourDifference, CELLS, FaceCells } from "./face-cells.ts";

/** From the eyes to the nose: skin for the most part, and above what covers a mouth. */
const SKIN = cellsIn({ left: 0.3, right: 0.7, top: 0.24, bottom: 0.38 });
const CHEEKS = [
  cellsIn({ left: 0.24, right: 0.36, top: 0.34, bottom: 0.47 }),
  cellsIn({ left: 0.64, right: 0.76, top: 0.34, bottom: 0.47 }),
];
/** Of skin in each cheek: beside a head that is turned further there is the ground. */
const MIN_CHEEK_SKIN = 0.15;
/** Cells of the lips' middle: a patch goes over all of their height, and some of their width at least. */
const LIPS = { left: 30, right: 33, top: 37, bottom: 43 } as const;
/** Least side of a patch, in cells. */
const MIN_PATCH = 9;
/** Things reach no higher than this row. */
const TOP_ROW = 20;
/** How much less red or more blue, in shares of the light, foreign colours are than skin. */
const COLD = 0.05;
/** How much less blue they are, or how much more red: more than lips and a tongue. */
const YELLOW = 0.08;
const RED = 0.2;
/** From 0 to 255: what is darker has no colour. */
const LEAST_LIGHT = 10;
/** Of the difference between thing and skin: where a thing goes on, and what is a sharp end. */
const MIN_LIKENESS = 0.5;
const SHARP_STEP = 0.5;
const MIN_SHARP_SHARE = 0.5;
/** Where the end of a thing is looked at: within the face. */
const FACE = cellsIn({ left: 0.2, right: 0.8, top: 0.34, bottom: 0.8 });

/** Whether a cell has a foreign colour; one without any colour proves nothing. */
type Kind = "own" | "foreign" | "colourless";

/** A square of cells, by its lower right one. */
interface Patch {
  readonly corner: number;
  readonly side: number;
}

/**
 * @param face `[3, side, side]` uint8, RGB planes.
 * @returns `[64, 64]` of 0 and 1; `undefined` if no thing is in front of the mouth.
 */
export function findObject(face: Uint8Array, side: number): Float32Array | undefined {
  const cells = new FaceCells(face, side);
  const skin = cells.colourOfMost(SKIN);
  const kindAt = (cell: number): Kind => kindOf(cells.colourOf(cell), skin);
  // Lips are seen nearly always, and then nothing else needs to be measured.
  if (!mayHideLips((cell) => kindAt(cell) === "foreign")) return undefined;
  const kinds = Array.from({ length: CELLS * CELLS }, (_, cell) =>
    cell < TOP_ROW * CELLS ? "own" : kindAt(cell),
  );
  const patch = largestPatch(kinds);
  if (patch === undefined) return undefined;
  const showsCheeks = CHEEKS.every(
    (cheek) =>
      cheek.filter((cell) => kinds[cell] === "own").length >= MIN_CHEEK_SKIN * cheek.length,
  );
  if (!showsCheeks) return undefined;
  const seeds = cellsOf(patch);
  const contrast = colourDifference(cells.colourOfMost(seeds), skin);
  const thing = grow(
    seeds,
    (cell) =>
      kinds[cell] !== "own" &&
      colourDifference(cells.colourOf(cell), skin) >= MIN_LIKENESS * contrast,
  );
  return endsSharply(thing, cells, { contrast, patch }) ? thing : undefined;
}

/** Whether there is a column of foreign cells over all of the lips' height. */
function mayHideLips(isForeign: (cell: number) => boolean): boolean {
  for (let x = LIPS.left; x <= LIPS.right; x++) {
    let y: number = LIPS.top;
    while (y <= LIPS.bottom && isForeign(y * CELLS + x)) y++;
    if (y > LIPS.bottom) return true;
  }
  return false;
}

function kindOf({ red, blue, light }: Colour, skin: Colour): Kind {
  if (light < LEAST_LIGHT) return "colourless";
  const lessRed = skin.red - red;
  const moreBlue = blue - skin.blue;
  // The last one: less red against green.
  const cold = Math.max(lessRed, moreBlue, lessRed - moreBlue / 2);
  return cold > COLD || -moreBlue > YELLOW || -lessRed > RED ? "foreign" : "own";
}

/** The largest square of foreign cells alone that goes over the lips. */
function largestPatch(kinds: readonly Kind[]): Patch | undefined {
  /** Side of the largest square that ends in a cell. */
  const sides = new Uint8Array(CELLS * CELLS);
  let best: Patch = { corner: 0, side: MIN_PATCH - 1 };
  for (let y = TOP_ROW; y < CELLS; y++) {
    for (let x = 1; x < CELLS; x++) {
      const corner = y * CELLS + x;
      if (kinds[corner] !== "foreign") continue;
      const left = sides[corner - 1] as number;
      const above = sides[corner - CELLS] as number;
      const side = 1 + Math.min(left, above, sides[corner - CELLS - 1] as number);
      sides[corner] = side;
      const coversLips =
        x >= LIPS.left && x - side < LIPS.right && y >= LIPS.bottom && y - side < LIPS.top;
      if (coversLips && side > best.side) best = { corner, side };
    }
  }
  return best.side < MIN_PATCH ? undefined : best;
}

function cellsOf({ corner, side }: Patch): number[] {
  return Array.from(
    { length: side * side },
    (_, index) => corner - Math.floor(index / side) * CELLS - (index % side),
  );
}

/** The seeds, and what is connected with them by cells that belong to them. */
function grow(seeds: readonly number[], belongs: (cell: number) => boolean): Float32Array {
  const reached = new Float32Array(CELLS * CELLS);
  const open = [...seeds];
  for (const seed of seeds) reached[seed] = 1;
  for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
    const x = cell % CELLS;
    const beside = [cell - CELLS, cell + CELLS];
    if (x > 0) beside.push(cell - 1);
    if (x < CELLS - 1) beside.push(cell + 1);
    for (const next of beside) {
      if (next < 0 || next >= CELLS * CELLS || reached[next] === 1 || !belongs(next)) continue;
      reached[next] = 1;
      open.push(next);
    }
  }
  return reached;
}

/** Whether most of the thing's end in the face, and enough of it, is a step from its colour to another. */
function endsSharply(
  thing: Float32Array,
  cells: FaceCells,
  { contrast, patch }: { readonly contrast: number; readonly patch: Patch },
): boolean {
  let ends = 0;
  let sharp = 0;
  for (const cell of FACE) {
    if (thing[cell] === 0) continue;
    for (const outwards of [1, -1, CELLS, -CELLS]) {
      if (thing[cell + outwards] === 1) continue;
      const inside = cells.colourOf(cell - outwards);
      const outside = cells.colourOf(cell + 2 * outwards);
      ends++;
      if (colourDifference(inside, outside) > SHARP_STEP * contrast) sharp++;
    }
  }
  return sharp >= MIN_SHARP_SHARE * ends && sharp >= 1.5 * patch.side;
}
