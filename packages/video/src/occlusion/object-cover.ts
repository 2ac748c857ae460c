/**
 * Finds a thing of another colour than the face in front of mouth and chin, such as a microphone. It
 * must reach in from the lower edge or the sides, and the face's own skin must show on both cheeks
 * and on one side of the jaw, so that an open mouth, teeth, beards, the ground beside a turned head
 * and clothes are none.
 */

/** Squares are looked at in 64x64 cells. */
export const CELLS = 64;
/** Parts of the square, as shares of its side: where there is skin for certain. */
const SKIN: Box = { left: 0.3, right: 0.7, top: 0.3, bottom: 0.42 };
const MOUTH_AND_CHIN: Box = { left: 0.36, right: 0.64, top: 0.56, bottom: 0.82 };
const LEFT_CHEEK: Box = { left: 0.24, right: 0.36, top: 0.34, bottom: 0.47 };
const RIGHT_CHEEK: Box = { left: 0.64, right: 0.76, top: 0.34, bottom: 0.47 };
/** Where a beard is on both sides, and a thing on one at most. */
const LEFT_JAW: Box = { left: 0.24, right: 0.34, top: 0.66, bottom: 0.8 };
const RIGHT_JAW: Box = { left: 0.66, right: 0.76, top: 0.66, bottom: 0.8 };
const MIN_JAW_SKIN = 0.6;
/** Things reach no higher than this. */
const HIGHEST = 0.36;
/** Least share of skin in each cheek, and of mouth and chin that a thing covers. */
const MIN_CHEEK_SKIN = 0.6;
const MIN_COVERED = 0.55;
/** How much less red or more blue, in shares of the light, a cell is than skin. */
const MIN_COLOUR_CHANGE = 0.05;
/** Of the skin's light, below which a cell is dark. */
const DARK = 0.4;
/** From 0 to 255: too dark or too bright to have a colour. */
const LIGHT_WITH_COLOUR = { least: 24, most: 246 } as const;

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Cells of a square: shares of red and blue in the light, and the light from 0 to 255. */
interface Cells {
  readonly red: Float32Array;
  readonly blue: Float32Array;
  readonly light: Float32Array;
}

/**
 * @param face `[3, side, side]` uint8, RGB planes.
 * @returns `[64, 64]` of 0 and 1; `undefined` if nothing is in front of mouth and chin.
 */
export function findObject(face: Uint8Array, side: number): Float32Array | undefined {
  const foreign = foreignCells(measureCells(face, side));
  const isSkin = (index: number): boolean => foreign[index] === 0;
  if (Math.max(share(LEFT_JAW, isSkin), share(RIGHT_JAW, isSkin)) < MIN_JAW_SKIN) return undefined;
  if (Math.min(share(LEFT_CHEEK, isSkin), share(RIGHT_CHEEK, isSkin)) < MIN_CHEEK_SKIN) {
    return undefined;
  }
  const reaching = reachingIn(foreign);
  const covered = share(MOUTH_AND_CHIN, (index) => reaching[index] === 1);
  return covered < MIN_COVERED ? undefined : reaching;
}

function measureCells(face: Uint8Array, side: number): Cells {
  const count = CELLS * CELLS;
  const sums = [0, 1, 2].map((plane) => {
    const sum = new Float32Array(count);
    for (let y = 0; y < side; y++) {
      const line = Math.floor((y * CELLS) / side) * CELLS;
      for (let x = 0; x < side; x++) {
        const cell = line + Math.floor((x * CELLS) / side);
        sum[cell] = (sum[cell] as number) + (face[(plane * side + y) * side + x] as number);
      }
    }
    return sum;
  });
  const [reds, greens, blues] = sums as [Float32Array, Float32Array, Float32Array];
  const pixels = (side / CELLS) ** 2;
  const total = reds.map(
    (red, index) => red + (greens[index] as number) + (blues[index] as number),
  );
  return {
    red: reds.map((red, index) => red / Math.max(total[index] as number, 1)),
    blue: blues.map((blue, index) => blue / Math.max(total[index] as number, 1)),
    light: total.map((sum) => sum / (3 * pixels)),
  };
}

/** 1 where a cell is of another colour than this face's skin and lips, or much darker. */
function foreignCells({ red, blue, light }: Cells): Uint8Array {
  const skin = cellsOf(SKIN);
  const skinRed = median(skin.map((index) => red[index] as number));
  const skinBlue = median(skin.map((index) => blue[index] as number));
  const skinLight = median(skin.map((index) => light[index] as number));
  return Uint8Array.from({ length: CELLS * CELLS }, (_, index) => {
    const bright = light[index] as number;
    if (bright < DARK * skinLight) return 1;
    if (bright < LIGHT_WITH_COLOUR.least || bright > LIGHT_WITH_COLOUR.most) return 0;
    const lessRed = skinRed - (red[index] as number);
    const moreBlue = (blue[index] as number) - skinBlue;
    return Math.max(lessRed, moreBlue) > MIN_COLOUR_CHANGE ? 1 : 0;
  });
}

/** The foreign cells that are connected with the square's lower edge, or its sides below the eyes. */
function reachingIn(foreign: Uint8Array): Float32Array {
  const reached = new Float32Array(CELLS * CELLS);
  const top = Math.round(HIGHEST * CELLS);
  const open: number[] = [];
  const visit = (x: number, y: number): void => {
    const index = y * CELLS + x;
    const isOutside = x < 0 || x >= CELLS || y < top || y >= CELLS;
    if (isOutside || foreign[index] === 0 || reached[index] === 1) return;
    reached[index] = 1;
    open.push(index);
  };
  for (let x = 0; x < CELLS; x++) visit(x, CELLS - 1);
  for (let y = top; y < CELLS; y++) {
    visit(0, y);
    visit(CELLS - 1, y);
  }
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const x = index % CELLS;
    const y = (index - x) / CELLS;
    visit(x - 1, y);
    visit(x + 1, y);
    visit(x, y - 1);
    visit(x, y + 1);
  }
  return reached;
}

function cellsOf({ left, right, top, bottom }: Box): number[] {
  const cells: number[] = [];
  for (let y = Math.round(top * CELLS); y < Math.round(bottom * CELLS); y++) {
    for (let x = Math.round(left * CELLS); x < Math.round(right * CELLS); x++) {
      cells.push(y * CELLS + x);
    }
  }
  return cells;
}

function share(box: Box, holds: (index: number) => boolean): number {
  const cells = cellsOf(box);
  return cells.filter(holds).length / cells.length;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
