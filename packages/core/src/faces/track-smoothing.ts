/**
 * Smooths a face's numbers over time without lag. A resting face's values are those of parabolas
 * through its neighbours on both sides, which leave steady and accelerated motion where it is.
 * Neighbours count less the farther the face was from where it is now, so that a jump is not smeared.
 * What no parabola follows is taken as it was seen: of the face's place little is noise, since heads
 * and hand-held cameras do jerk; of how its points lie to one another, its size and tilt, much is. No
 * point is moved by more than about two fifths of both tolerances.
 */
import { sideOf } from "./face-geometry.ts";
import { type Tracklet, VALUES_PER_FRAME } from "./tracklet.ts";

/** Neighbours on each side. */
const RADIUS_SECONDS = 0.24;
/** Distance at which a neighbour counts little: in sides of the face, and in deviations of the noise. */
const REACH = 0.04;
const REACH_OF_NOISE = 3;
/** Distance from which on the parabola does not follow the face's place, likewise. */
const PLACE = { tolerance: 0.002, ofNoise: 1.5 } as const;
/** And of a point, measured from the middle of all three. */
const SHAPE = { tolerance: 0.004, ofNoise: 3 } as const;
/** Most noise of points, in sides of the face: more is a change of the face. */
const MOST_NOISE = 0.015;
/** Median of the fourth differences between two values whose noise has the standard deviation 1. */
const FOURTH_DIFFERENCE = 7.98;
/** Keeps the parabola of too few neighbours flat. */
const STIFFNESS = 1e-6;
const COORDINATES = 6;
/** Points and the box's corner: what moves with the face. */
const PLACED = 8;
const MOUTH: number = VALUES_PER_FRAME - 1;

/** Neighbours on each side that a smoothed frame depends on. */
export function smoothingRadius(framesPerSecond: number): number {
  return Math.max(2, Math.round(RADIUS_SECONDS * framesPerSecond));
}

/**
 * The smoothed numbers of a frame from `start` to `last`; the mouth stays as it is.
 * @param radius of {@link smoothingRadius}.
 */
export function smoothedValues(track: Tracklet, frame: number, radius: number): number[] {
  const side = sideOf(track.boxAt(frame));
  const noise = Math.min(noiseAt(track, frame, radius), side * MOST_NOISE);
  const reach = side * REACH + noise * REACH_OF_NOISE;
  const seen = valuesAt(track, frame);
  const smooth = fit(track, frame, { radius, reach });
  const [middle, smoothMiddle] = [middleOf(seen), middleOf(smooth)];
  const [across, down] = [smoothMiddle[0] - middle[0], smoothMiddle[1] - middle[1]];
  const moved = seen.map((value, at) =>
    at < PLACED ? value + (at % 2 === 0 ? across : down) : value,
  );
  const place = following(Math.hypot(across, down), side * PLACE.tolerance + noise * PLACE.ofNoise);
  const shape = following(distance(moved, smooth), side * SHAPE.tolerance + noise * SHAPE.ofNoise);
  return seen.map((value, at) => {
    if (at === MOUTH) return value;
    const there = moved[at] as number;
    return value + (there - value) * place + ((smooth[at] as number) - there) * shape;
  });
}

/** How much of a parabola's change counts, 0 to 1: less, the more it departs from what was seen. */
function following(change: number, tolerance: number): number {
  return Math.max(0, 1 - (change / tolerance) ** 2);
}

/** The middle of the three points. */
function middleOf(values: readonly number[]): readonly [number, number] {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0, x3 = 0, y3 = 0] = values;
  return [(x1 + x2 + x3) / 3, (y1 + y2 + y3) / 3];
}

function valuesAt(track: Tracklet, frame: number): number[] {
  return Array.from({ length: VALUES_PER_FRAME }, (_, value) => track.valueAt(frame, value));
}

/** Mean distance of the three points. */
function distance(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let value = 0; value < COORDINATES; value += 2) {
    sum += Math.hypot(
      (a[value] as number) - (b[value] as number),
      (a[value + 1] as number) - (b[value + 1] as number),
    );
  }
  return (2 * sum) / COORDINATES;
}

/**
 * Standard deviation of the points' noise round a frame: what no steady curve explains of where they
 * lie to one another, which motion of the whole face does not change.
 */
function noiseAt(track: Tracklet, frame: number, radius: number): number {
  const [from, to] = [Math.max(track.start, frame - radius), Math.min(track.last, frame + radius)];
  const differences: number[] = [];
  for (let start = from; start + 4 <= to; start++) {
    for (let value = 0; value < COORDINATES; value++) {
      const other = (value + 2) % COORDINATES;
      const [a = 0, b = 0, c = 0, d = 0, e = 0] = [0, 1, 2, 3, 4].map(
        (step) => track.valueAt(start + step, value) - track.valueAt(start + step, other),
      );
      differences.push(Math.abs(a - 4 * b + 6 * c - 4 * d + e));
    }
  }
  const median = differences.toSorted((a, b) => a - b)[differences.length >> 1] ?? 0;
  return median / FOURTH_DIFFERENCE;
}

interface Neighbourhood {
  /** Frames on each side. */
  readonly radius: number;
  /** In pixels. */
  readonly reach: number;
}

/** The values at `frame` of the parabolas that fit its neighbours best. */
function fit(track: Tracklet, frame: number, { radius, reach }: Neighbourhood): number[] {
  const here = valuesAt(track, frame);
  const moments = [0, 0, 0, 0, 0];
  const sums = here.map(() => [0, 0, 0]);
  const [from, to] = [Math.max(track.start, frame - radius), Math.min(track.last, frame + radius)];
  for (let other = from; other <= to; other++) {
    const time = (other - frame) / radius;
    const there = valuesAt(track, other);
    const weight = Math.exp(-((distance(here, there) / reach) ** 2) / 2);
    for (let power = 0; power < 5; power++) {
      moments[power] = (moments[power] as number) + weight * time ** power;
    }
    for (const [value, sum] of sums.entries()) {
      // About the value of this frame, which flat parabolas of few neighbours tend to.
      const difference = (there[value] as number) - (here[value] as number);
      for (let power = 0; power < 3; power++) {
        sum[power] = (sum[power] as number) + weight * difference * time ** power;
      }
    }
  }
  const solve = constantOf(moments);
  return here.map((value, index) => value + solve(sums[index] as number[]));
}

/** Solves the normal equations of a parabola for its value at time 0. */
function constantOf(moments: readonly number[]): (sums: readonly number[]) => number {
  const [m0, m1, m2, m3, m4] = moments as [number, number, number, number, number];
  const [a, b, c, d, e] = [m0, m1, m2 + STIFFNESS, m3, m4 + STIFFNESS];
  const cofactors = [c * e - d * d, m2 * d - b * e, b * d - c * m2] as const;
  const determinant = a * cofactors[0] + b * cofactors[1] + m2 * cofactors[2];
  return ([s0 = 0, s1 = 0, s2 = 0]) =>
    (s0 * cofactors[0] + s1 * cofactors[1] + s2 * cofactors[2]) / determinant;
}
