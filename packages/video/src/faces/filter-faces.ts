/** Which detections are fit for lip-sync: LatentSync's own rules, for any detector. */
import type { Face } from "@ls/core";

/** Limits of {@link filterFaces}; sizes in pixels of the frame. */
export interface FaceLimits {
  readonly minWidth: number;
  readonly minHeight: number;
  /** Least width divided by height. */
  readonly minAspect: number;
  /** Greatest width divided by height. */
  readonly maxAspect: number;
  /** Least confidence, 0 to 1. */
  readonly minScore: number;
  /** Most faces to return; all by default. */
  readonly maxFaces: number;
}

/** The limits of the official pipeline. */
export const OFFICIAL_FACE_LIMITS: FaceLimits = {
  minWidth: 50,
  minHeight: 80,
  minAspect: 0.2,
  maxAspect: 1.5,
  minScore: 0.5,
  maxFaces: Number.POSITIVE_INFINITY,
};

/**
 * The limits of the MediaPipe detector: faces from 40 pixels wide in any posture, with some room for
 * what their boxes are off, and as wide as a face that lies on its side.
 */
export const DEFAULT_FACE_LIMITS: FaceLimits = {
  minWidth: 35,
  minHeight: 35,
  minAspect: 0.2,
  maxAspect: 2,
  minScore: 0.5,
  maxFaces: 5,
};

/** Size of a box between the whole pixels that its corners are cut to, as the limits measure it. */
function wholeSize({ box }: Pick<Face, "box">): { width: number; height: number } {
  return {
    width: Math.trunc(box.x + box.width) - Math.trunc(box.x),
    height: Math.trunc(box.y + box.height) - Math.trunc(box.y),
  };
}

/**
 * The faces within `limits`, largest box first; of equal boxes the one that came first.
 * @param limits those that are not given are {@link OFFICIAL_FACE_LIMITS}.
 */
export function filterFaces<T extends Pick<Face, "box" | "score">>(
  faces: readonly T[],
  limits: Partial<FaceLimits> = {},
): T[] {
  const { minWidth, minHeight, minAspect, maxAspect, minScore, maxFaces } = {
    ...OFFICIAL_FACE_LIMITS,
    ...limits,
  };
  return faces
    .map((face) => ({ face, ...wholeSize(face) }))
    .filter(({ face, width, height }) => {
      const aspect = width / height;
      return (
        width >= minWidth &&
        height >= minHeight &&
        aspect >= minAspect &&
        aspect <= maxAspect &&
        face.score >= minScore &&
        width * height > 0
      );
    })
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .slice(0, maxFaces)
    .map(({ face }) => face);
}
