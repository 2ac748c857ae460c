/** The mouth as FaceMesh's landmarks show it. */
import type { Rectangle } from "@ls/core";

/** A mouth in units of its face, so that neither distance nor tilt of the head changes it. */
export interface Mouth {
  /**
   * Distance of the inner lips in their middle, over the distance of the eyes' outer corners, which
   * the jaw does not move: 0 when closed, about 0.5 when wide open.
   */
  readonly opening: number;
  /** Distance of the lips' corners, over the same. */
  readonly width: number;
  /** The smallest upright rectangle around the lips, in pixels of the frame. */
  readonly box: Rectangle;
}

/** Outer corners of the eyes, image left and right. */
const EYE_CORNERS = [33, 263] as const;
/** Middle of the inner edge of the upper and of the lower lip. */
const INNER_LIPS = [13, 14] as const;
/** Outer ends of the lips: image left and right, top and bottom. */
const LIP_CORNERS = [61, 291] as const;
const OUTER_LIPS = [0, 17] as const;

/** @param landmarks FaceMesh's `[468, 2]` in pixels of the frame. */
export function mouthOf(landmarks: Float64Array): Mouth {
  const eyes = distance(landmarks, EYE_CORNERS);
  const ends = [...LIP_CORNERS, ...OUTER_LIPS];
  const xs = ends.map((index) => landmarks[index * 2] as number);
  const ys = ends.map((index) => landmarks[index * 2 + 1] as number);
  const x = Math.min(...xs);
  const y = Math.min(...ys);
  return {
    opening: distance(landmarks, INNER_LIPS) / eyes,
    width: distance(landmarks, LIP_CORNERS) / eyes,
    box: { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y },
  };
}

/**
 * `Face.mouthOpening`: as {@link Mouth.opening}, but measured in space, so that a head that turns away
 * does not seem to open its mouth.
 * @param values FaceMesh's `[468, 3]`, in pixels of its input.
 */
export function mouthOpening(values: Float32Array): number {
  return spatialDistance(values, INNER_LIPS) / spatialDistance(values, EYE_CORNERS);
}

function spatialDistance(values: Float32Array, [from, to]: readonly [number, number]): number {
  const along = (axis: number): number =>
    (values[to * 3 + axis] as number) - (values[from * 3 + axis] as number);
  return Math.hypot(along(0), along(1), along(2));
}

function distance(landmarks: Float64Array, [from, to]: readonly [number, number]): number {
  return Math.hypot(
    (landmarks[to * 2] as number) - (landmarks[from * 2] as number),
    (landmarks[to * 2 + 1] as number) - (landmarks[from * 2 + 1] as number),
  );
}
