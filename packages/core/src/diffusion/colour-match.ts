/**
 * Colour of the generated region. The network's colours are off by a little, differently in every
 * frame and at every side, and where the region meets the frame's own pixels this shows as an edge.
 * In a thin ring inside of that edge the decoded face and the frame show the same skin: the difference
 * there is carried into the region as a membrane that is fixed at the ring.
 */

/** Cells of the membrane along a side of the square. */
const CELLS = 32;
/** Relaxation of the membrane: on a grid of this size its residual is then under 1e-4. */
const SWEEPS = 40;
const OVER_RELAXATION = 1.75;
/** Largest correction, of pixels in [-1, 1]: 20 of 255 steps. More is not a matter of colour. */
const LARGEST = 20 / 127.5;
/** Differences this far from the median of those around weigh half: a jaw or a collar has moved. */
const OUTLIER = 8 / 127.5;
/** Width of the bell, in cells, with which neighbours on the ring are averaged. */
const SMOOTHING_CELLS = 1.7;
/** Width of the ring, as a part of the square's side. */
const RING_WIDTH = 1 / 128;

/** A cell with pixels at the region's edge. */
interface RingCell {
  /** Index in the grid. */
  readonly cell: number;
  readonly pixels: Int32Array;
}

/** Others on the ring, by position, with weights that fall with their distance. */
interface Neighbourhood {
  readonly positions: Int32Array;
  readonly weights: Float32Array;
}

/** Cells of the membrane that are free, each with its four neighbours; those outside are itself. */
interface Membrane {
  readonly free: Int32Array;
  readonly neighbours: Int32Array;
}

/** Matches the colour of generated faces with the frames that they go into. One per mask. */
export class ColourMatcher {
  readonly #resolution: number;
  readonly #mask: Float32Array;
  readonly #places: Places;
  readonly #ring: readonly RingCell[];
  readonly #near: readonly Neighbourhood[];
  readonly #membrane: Membrane;

  /** @param mask `[R, R]` float32: 1 = keep, 0 = generate. */
  constructor(mask: Float32Array) {
    this.#mask = mask;
    this.#resolution = Math.sqrt(mask.length);
    this.#places = placesOf(this.#resolution);
    this.#ring = ringOf(mask, this.#resolution);
    this.#near = neighbourhoods(this.#ring);
    this.#membrane = membraneOf(mask, this.#places, this.#ring);
  }

  /**
   * Corrects the generated region of a face, in place. Without pixels to compare with it does nothing.
   * @param decoded `[3, R, R]` float32 about [-1, 1]: the whole square as it was decoded, before
   *   the frame's own pixels are put around the region.
   * @param source `[3, R, R]` uint8: the frame's own face.
   */
  match(decoded: Float32Array, source: Uint8Array): void {
    if (this.#ring.length === 0) return;
    const plane = this.#mask.length;
    for (let start = 0; start < decoded.length; start += plane) {
      const colours = decoded.subarray(start, start + plane);
      const raw = this.#differences(colours, source.subarray(start, start + plane));
      this.#add(colours, this.#stretch(this.#smooth(raw)));
    }
  }

  /** How much brighter the frame is than the face, for each cell of the ring. */
  #differences(colours: Float32Array, source: Uint8Array): Float32Array {
    return Float32Array.from(this.#ring, ({ pixels }) => {
      let sum = 0;
      for (const index of pixels) {
        sum += (source[index] as number) / 127.5 - 1 - (colours[index] as number);
      }
      return sum / pixels.length;
    });
  }

  /** The mean of neighbours, with little weight on those that differ from most. */
  #smooth(raw: Float32Array): Float32Array {
    return Float32Array.from(this.#near, ({ positions, weights }) => {
      const values = Float32Array.from(positions, (position) => raw[position] as number);
      const median = values.toSorted()[values.length >> 1] as number;
      let sum = 0;
      let total = 0;
      for (const [index, value] of values.entries()) {
        const weight = (weights[index] as number) / (1 + ((value - median) / OUTLIER) ** 2);
        sum += weight * value;
        total += weight;
      }
      return Math.min(Math.max(sum / total, -LARGEST), LARGEST);
    });
  }

  /**
   * `[CELLS, CELLS]`, the correction at the middle of each cell: the solution of Laplace's equation
   * with the ring fixed, by successive over-relaxation.
   */
  #stretch(fixed: Float32Array): Float32Array {
    const { free, neighbours } = this.#membrane;
    const mean = fixed.reduce((sum, value) => sum + value, 0) / fixed.length;
    const grid = new Float32Array(CELLS * CELLS).fill(mean);
    for (const [position, { cell }] of this.#ring.entries()) grid[cell] = fixed[position] as number;
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      for (let index = 0; index < free.length; index++) {
        const cell = free[index] as number;
        const first = 4 * index;
        const around =
          (grid[neighbours[first] as number] as number) +
          (grid[neighbours[first + 1] as number] as number) +
          (grid[neighbours[first + 2] as number] as number) +
          (grid[neighbours[first + 3] as number] as number);
        const value = grid[cell] as number;
        grid[cell] = value + OVER_RELAXATION * (around / 4 - value);
      }
    }
    return grid;
  }

  /** Adds the correction, linear between the middles of cells, where pixels are generated. */
  #add(colours: Float32Array, grid: Float32Array): void {
    const resolution = this.#resolution;
    const mask = this.#mask;
    const { first, part } = this.#places;
    const row = new Float32Array(CELLS);
    for (let y = 0; y < resolution; y++) {
      const top = (first[y] as number) * CELLS;
      const below = part[y] as number;
      for (let cell = 0; cell < CELLS; cell++) {
        const upper = grid[top + cell] as number;
        row[cell] = upper + below * ((grid[top + CELLS + cell] as number) - upper);
      }
      for (let x = 0; x < resolution; x++) {
        const index = y * resolution + x;
        if ((mask[index] as number) === 1) continue;
        const left = first[x] as number;
        const value = row[left] as number;
        const correction = value + (part[x] as number) * ((row[left + 1] as number) - value);
        colours[index] = (colours[index] as number) + correction;
      }
    }
  }
}

/** Where pixels lie between the middles of cells: the first of two, and the part of the second. */
interface Places {
  readonly first: Int32Array;
  readonly part: Float32Array;
}

function placesOf(resolution: number): Places {
  const first = new Int32Array(resolution);
  const part = new Float32Array(resolution);
  for (let pixel = 0; pixel < resolution; pixel++) {
    const position = ((pixel + 0.5) * CELLS) / resolution - 0.5;
    const inside = Math.min(Math.max(position, 0), CELLS - 1);
    first[pixel] = Math.min(Math.floor(inside), CELLS - 2);
    part[pixel] = inside - (first[pixel] as number);
  }
  return { first, part };
}

function ringOf(mask: Float32Array, resolution: number): readonly RingCell[] {
  return ringPixels(mask, resolution).flatMap((pixels, cell) =>
    pixels.length === 0 ? [] : [{ cell, pixels: Int32Array.from(pixels) }],
  );
}

/** Generated pixels so close to a kept one, by cell. */
function ringPixels(mask: Float32Array, resolution: number): readonly number[][] {
  const size = resolution / CELLS;
  const kept = mask.map((keep) => (keep < 0.5 ? 0 : 1));
  const near = dilated(kept, resolution, Math.ceil(resolution * RING_WIDTH));
  const cells = Array.from({ length: CELLS * CELLS }, (): number[] => []);
  for (let index = 0; index < mask.length; index++) {
    if (kept[index] === 1 || near[index] === 0) continue;
    const [x, y] = [index % resolution, Math.floor(index / resolution)];
    cells[Math.floor(y / size) * CELLS + Math.floor(x / size)]?.push(index);
  }
  return cells;
}

/** 1 within a square of `2 reach + 1` pixels around every 1. */
function dilated(flags: Float32Array, resolution: number, reach: number): Float32Array {
  let current = flags;
  for (const stride of [1, resolution]) {
    const next = new Float32Array(flags.length);
    for (const [index, flag] of current.entries()) {
      if (flag === 0) continue;
      const position = Math.floor(index / stride) % resolution;
      const first = -Math.min(reach, position);
      const last = Math.min(reach, resolution - 1 - position);
      for (let offset = first; offset <= last; offset++) next[index + offset * stride] = 1;
    }
    current = next;
  }
  return current;
}

/** Cells between whose middles generated pixels lie. */
function cellsToFill(mask: Float32Array, first: Int32Array): ReadonlySet<number> {
  const cells = new Set<number>();
  for (const [index, keep] of mask.entries()) {
    if (keep === 1) continue;
    const [x, y] = [index % first.length, Math.floor(index / first.length)];
    const corner = (first[y] as number) * CELLS + (first[x] as number);
    for (const cell of [0, 1, CELLS, CELLS + 1]) cells.add(corner + cell);
  }
  return cells;
}

function neighbourhoods(ring: readonly RingCell[]): readonly Neighbourhood[] {
  return ring.map(({ cell: own }) => {
    const near = ring.flatMap(({ cell }, position) => {
      const x = (cell % CELLS) - (own % CELLS);
      const y = Math.floor(cell / CELLS) - Math.floor(own / CELLS);
      const distance = Math.hypot(x, y) / SMOOTHING_CELLS;
      return distance > 2 ? [] : [{ position, weight: Math.exp(-(distance ** 2)) }];
    });
    return {
      positions: Int32Array.from(near, ({ position }) => position),
      weights: Float32Array.from(near, ({ weight }) => weight),
    };
  });
}

function membraneOf(mask: Float32Array, places: Places, ring: readonly RingCell[]): Membrane {
  const cells = cellsToFill(mask, places.first);
  const fixed = new Set(ring.map(({ cell }) => cell));
  const free = [...cells].filter((cell) => !fixed.has(cell));
  const neighbours = free.flatMap((cell) => {
    const [x, y] = [cell % CELLS, Math.floor(cell / CELLS)];
    const around = [
      x > 0 ? cell - 1 : cell,
      x < CELLS - 1 ? cell + 1 : cell,
      y > 0 ? cell - CELLS : cell,
      y < CELLS - 1 ? cell + CELLS : cell,
    ];
    return around.map((other) => (cells.has(other) || fixed.has(other) ? other : cell));
  });
  return { free: Int32Array.from(free), neighbours: Int32Array.from(neighbours) };
}
