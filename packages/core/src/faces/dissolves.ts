/**
 * Where one shot dissolves into another, or fades out and the other in. What lies between is then a
 * mixture of both, and of an even grey: of things that move, or are seen by a camera that does, it is
 * none. Tried on dissolves of 8 to 30 frames between people who speak, and on moving people, swings,
 * zooms, wipes and dimmed lights, which leave a residual of 0.36 and more, or sides that do not rest.
 */
import {
  brightness,
  LEAST_CUT_CHANGE,
  meanGrey,
  medianChange,
  pictureChange,
  type PictureSketch,
  plainChange,
} from "./picture-sketch.ts";

/** Half the length of dissolves that are looked for. */
const HALF_SECONDS: readonly number[] = [0.16, 0.24, 0.36, 0.52, 0.72, 1];
/** Frames that are neither side, at least. */
const FEWEST_BETWEEN = 3;
/** How much they differ from both sides, of what the sides differ. */
const LEAST_BETWEEN = 0.2;
/**
 * Most that a mixture leaves unexplained of them, and most change within the sides themselves,
 * likewise; and both where the people are others, too.
 */
const LIMITS = { residual: 0.3, motion: 0.2 } as const;
const LIMITS_OF_OTHER_PEOPLE = { residual: 0.4, motion: 0.35 } as const;

/** Half the lengths of dissolves in frames, the shortest first. */
export function dissolveHalves(framesPerSecond: number): readonly number[] {
  return HALF_SECONDS.map((seconds) => Math.max(2, Math.round(seconds * framesPerSecond)));
}

export interface DissolveSpan {
  /** Frames from the middle to where the sides are pure. */
  readonly half: number;
  /** Frames of each side that are looked at. */
  readonly side: number;
  /** Whether the sides show people, but nobody in both. */
  readonly otherPeople: boolean;
}

/** Whether the middle of a dissolve is right before the picture at `place`. */
export function isDissolve(
  pictures: readonly PictureSketch[],
  place: number,
  { half, side, otherPeople }: DissolveSpan,
): boolean {
  const [first, last] = [place - half, place + half];
  const [before, after] = [pictures[first], pictures[last]];
  if (first < side - 1 || before === undefined || after === undefined) return false;
  const change = plainChange(before, after);
  if (change < LEAST_CUT_CHANGE) return false;
  const mixture = mixtureOf(before, after);
  if (mixture === undefined) return false;
  const [a, b] = [pictures[place - 1], pictures[place]] as [PictureSketch, PictureSketch];
  if (mixture(a).balance >= 0 || mixture(b).balance < 0) return false;
  const limits = otherPeople ? LIMITS_OF_OTHER_PEOPLE : LIMITS;
  const across = differenceInKind(before, after);
  if (across < LEAST_CUT_CHANGE) return false;
  const residuals = pictures
    .slice(first, last + 1)
    .filter((picture) => isBetween(picture, [before, after], LEAST_BETWEEN * change))
    .map((picture) => mixture(picture).residual);
  const residual = residuals.reduce((sum, value) => sum + value, 0) / residuals.length;
  if (residuals.length < FEWEST_BETWEEN || residual > limits.residual * across) return false;
  const sides = [pictures.slice(first - side + 1, first + 1), pictures.slice(last, last + side)];
  return sides.every((pieces) => medianChange(pieces) <= limits.motion * across);
}

/** How much two pictures differ apart from brightness and contrast. */
function differenceInKind(a: PictureSketch, b: PictureSketch): number {
  return Math.min(pictureChange(a, b), pictureChange(a, withContrastOf(a, b)));
}

/** A picture with the mean and deviation of another. */
function withContrastOf(wanted: PictureSketch, picture: PictureSketch): PictureSketch {
  const [mean, own] = [meanGrey(wanted), meanGrey(picture)];
  const [deviations, owns] = [centred(wanted), centred(picture)];
  const gain = Math.sqrt(product(deviations, deviations) / Math.max(product(owns, owns), 1));
  return {
    ...picture,
    greys: picture.greys.map((grey) => Math.min(255, Math.max(0, mean + (grey - own) * gain))),
  };
}

function isBetween(
  picture: PictureSketch,
  sides: readonly PictureSketch[],
  least: number,
): boolean {
  return sides.every((side) => plainChange(side, picture) >= least);
}

interface Mixture {
  /** How much more there is of the second picture than of the first. */
  readonly balance: number;
  /** What is left, as a change of the picture. */
  readonly residual: number;
}

/** Explains pictures by two others and an even grey; `undefined` if these are one up to contrast. */
function mixtureOf(
  first: PictureSketch,
  second: PictureSketch,
): ((picture: PictureSketch) => Mixture) | undefined {
  const [a, b] = [centred(first), centred(second)];
  const [aa, bb, ab] = [product(a, a), product(b, b), product(a, b)];
  const determinant = aa * bb - ab * ab;
  if (determinant <= 1e-6 * aa * bb) return undefined;
  return (picture) => {
    const values = centred(picture);
    const [va, vb] = [product(values, a), product(values, b)];
    const ofFirst = (va * bb - vb * ab) / determinant;
    const ofSecond = (vb * aa - va * ab) / determinant;
    let left = 0;
    for (let cell = 0; cell < values.length; cell++) {
      const explained = ofFirst * (a[cell] as number) + ofSecond * (b[cell] as number);
      left += Math.abs((values[cell] as number) - explained);
    }
    return { balance: ofSecond - ofFirst, residual: left / brightness(picture) };
  };
}

function centred(picture: PictureSketch): Float64Array {
  const mean = meanGrey(picture);
  return Float64Array.from(picture.greys, (grey) => grey - mean);
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let cell = 0; cell < a.length; cell++) sum += (a[cell] as number) * (b[cell] as number);
  return sum;
}
