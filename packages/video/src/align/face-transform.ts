/**
 * From three points of a face to the similarity that brings them onto the template.
 * After `transformation_from_points` of `latentsync/utils/affine_transform.py`
 * (bytedance/LatentSync a229c39). Intended differences: double precision and a closed form in place
 * of the singular value decomposition; points that fit every rotation alike are refused.
 */
import {
  type AffineMatrix,
  type AlignmentPoints,
  type FaceTransform,
  LatentSyncError,
  type Point,
} from "@ls/core";
import { faceTemplate } from "./crop-geometry.ts";

/** In pixels; below it the three points are one. */
const SMALLEST_DEVIATION = 1e-6;
/** Of normalised points: below it no rotation is better than another. */
const SMALLEST_CORRELATION = 1e-6;
const PREVIOUS_SHARE = 0.2;

interface NormalisedPoints {
  readonly centre: Point;
  /** Standard deviation over all six centred numbers, with n - 1. */
  readonly deviation: number;
  readonly points: AlignmentPoints;
}

function normalise(points: AlignmentPoints): NormalisedPoints {
  const [p, q, r] = points;
  const x = (p[0] + q[0] + r[0]) / 3;
  const y = (p[1] + q[1] + r[1]) / 3;
  const centred: AlignmentPoints = [
    [p[0] - x, p[1] - y],
    [q[0] - x, q[1] - y],
    [r[0] - x, r[1] - y],
  ];
  const squares = centred.reduce((sum, point) => sum + point[0] ** 2 + point[1] ** 2, 0);
  const deviation = Math.sqrt(squares / 5);
  const scaled = ([px, py]: Point): Point => [px / deviation, py / deviation];
  return {
    centre: [x, y],
    deviation,
    points: [scaled(centred[0]), scaled(centred[1]), scaled(centred[2])],
  };
}

function describe(points: AlignmentPoints): string {
  return points.map((point) => `(${point.join(", ")})`).join(", ");
}

function checkPoints(points: AlignmentPoints): void {
  const finite = points.every((point) => point.every(Number.isFinite));
  if (finite && normalise(points).deviation > SMALLEST_DEVIATION) return;
  const what = finite ? "coincide" : "are not finite";
  throw new LatentSyncError(
    "no_face",
    `Face transform: the two brows and the nose ${what}: ${describe(points)}.`,
    { hint: "Skip this frame or correct its landmarks." },
  );
}

/** Cosine and sine of the rotation that brings `from` nearest to `to`, never a reflection. */
function bestRotation(from: AlignmentPoints, to: AlignmentPoints): readonly [number, number] {
  let cosine = 0;
  let sine = 0;
  for (const [index, [x, y]] of from.entries()) {
    const [targetX, targetY] = to[index] as Point;
    cosine += x * targetX + y * targetY;
    sine += x * targetY - y * targetX;
  }
  const length = Math.hypot(cosine, sine);
  if (!(length > SMALLEST_CORRELATION)) {
    throw new LatentSyncError(
      "no_face",
      `Face transform: no rotation fits the points better than another (normalised ` +
        `${describe(from)}); they are a mirror image of a face.`,
      { hint: "Give the brow on the image's left first, then the other brow, then the nose." },
    );
  }
  return [cosine / length, sine / length];
}

/** Matrices for one video's faces, in order; the bias of the translation is smoothed over them. */
export function createFaceTransform(resolution: number): FaceTransform {
  const template = normalise(faceTemplate(resolution));
  let previous: Point | undefined;

  function smooth(bias: Point): Point {
    if (previous !== undefined) {
      bias = [
        previous[0] * PREVIOUS_SHARE + bias[0] * (1 - PREVIOUS_SHARE),
        previous[1] * PREVIOUS_SHARE + bias[1] * (1 - PREVIOUS_SHARE),
      ];
    }
    previous = bias;
    return bias;
  }

  return {
    next(points: AlignmentPoints): AffineMatrix {
      checkPoints(points);
      const face = normalise(points);
      const [cosine, sine] = bestRotation(face.points, template.points);
      const scale = template.deviation / face.deviation;
      const a = scale * cosine;
      const c = scale * sine;
      const [x, y] = face.centre;
      const nose = face.points[2];
      const target = template.points[2];
      const bias = smooth([target[0] - nose[0], target[1] - nose[1]]);
      return [
        a,
        -c,
        template.centre[0] - (a * x - c * y) + bias[0],
        c,
        a,
        template.centre[1] - (c * x + a * y) + bias[1],
      ];
    },
  };
}
