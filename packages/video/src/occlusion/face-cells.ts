/** An aligned face in coarse cells, for what needs colours and no details. */

/** Squares are looked at in 64x64 cells. */
export const CELLS = 64;

/** A colour by its share of red and of blue in the light, and the light itself, 0 to 255. */
export interface Colour {
  readonly red: number;
  readonly blue: number;
  readonly light: number;
}

/** A part of the square, in shares of its side. */
interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A face whose colours are measured where they are asked for: most of it never is. */
export class FaceCells {
  readonly #face: Uint8Array;
  readonly #side: number;

  /** @param face `[3, side, side]` uint8, RGB planes. */
  constructor(face: Uint8Array, side: number) {
    this.#face = face;
    this.#side = side;
  }

  /** The mean of a cell's pixels. */
  colourOf(cell: number): Colour {
    const face = this.#face;
    const side = this.#side;
    const plane = side * side;
    const column = cell % CELLS;
    const row = (cell - column) / CELLS;
    const left = Math.floor((column * side) / CELLS);
    const right = Math.floor(((column + 1) * side) / CELLS);
    const top = Math.floor((row * side) / CELLS);
    const bottom = Math.floor(((row + 1) * side) / CELLS);
    let [red, green, blue] = [0, 0, 0];
    for (let y = top; y < bottom; y++) {
      for (let pixel = y * side + left; pixel < y * side + right; pixel++) {
        red += face[pixel] as number;
        green += face[pixel + plane] as number;
        blue += face[pixel + 2 * plane] as number;
      }
    }
    const total = Math.max(red + green + blue, 1);
    const pixels = (right - left) * (bottom - top);
    return { red: red / total, blue: blue / total, light: total / (3 * pixels) };
  }

  /** The median of red, blue and light each. */
  colourOfMost(cells: readonly number[]): Colour {
    const colours = cells.map((cell) => this.colourOf(cell));
    const median = (part: keyof Colour): number =>
      Float32Array.from(colours, (colour) => colour[part]).toSorted()[cells.length >> 1] as number;
    return { red: median("red"), blue: median("blue"), light: median("light") };
  }
}

/** How far apart two colours are: in hue, and half as much in the logarithm of the light. */
export function colourDifference(a: Colour, b: Colour): number {
  const light = Math.abs(Math.log((a.light + 4) / (b.light + 4)));
  return Math.abs(a.red - b.red) + Math.abs(a.blue - b.blue) + 0.5 * light;
}

export function cellsIn({ left, right, top, bottom }: Box): number[] {
  const cells: number[] = [];
  for (let y = Math.round(top * CELLS); y < Math.round(bottom * CELLS); y++) {
    for (let x = Math.round(left * CELLS); x < Math.round(right * CELLS); x++) {
      cells.push(y * CELLS + x);
    }
  }
  return cells;
}

/** Cells as `[side, side]` pixels, between their middles linear. */
export function enlarged(cells: Float32Array, side: number): Float32Array {
  const places = Array.from({ length: side }, (_, index) => {
    const place = Math.min(Math.max(((index + 0.5) * CELLS) / side - 0.5, 0), CELLS - 1);
    const first = Math.min(Math.floor(place), CELLS - 2);
    return { first, share: place - first };
  });
  const result = new Float32Array(side * side);
  let target = 0;
  for (const row of places) {
    for (const column of places) {
      const at = row.first * CELLS + column.first;
      const upper = mix(cells[at] as number, cells[at + 1] as number, column.share);
      const lower = mix(cells[at + CELLS] as number, cells[at + CELLS + 1] as number, column.share);
      result[target++] = mix(upper, lower, row.share);
    }
  }
  return result;
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}
