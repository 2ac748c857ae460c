/**
 * Where a face detector finds the three alignment points of a drawn head: the middle of each brow's
 * upper edge, and of the nose.
 */
import type { AlignmentPoints, Point } from "@ls/core";
import {
  BROW_DEPTH,
  checkPlacement,
  type HeadPlacement,
  type HeadState,
  NOSE_DEPTH,
} from "./draw-head.ts";
import { browCurve } from "./features.ts";
import { turnedFrame } from "./head-pose.ts";

/**
 * Measured with MediaPipe's FaceMesh over many persons and poses, in face heights: it takes brows
 * for wider than they are drawn and a nose for nearer to the usual one.
 */
const BROW_OUTWARDS = 0.018;
const BROW_DOWN = -0.012;
const BROW_THICKNESS_SHARE = 0.3;
const USUAL_NOSE_Y = 0.126;
/** Middle of the levels that persons have. */
const MIDDLE_NOSE_Y = 0.1365;
const NOSE_Y_SHARE = 0.26;
const NOSE_ASIDE = -0.0035;
const NOSE_POINT_DEPTH = NOSE_DEPTH + 0.04;

/**
 * Left brow, right brow and nose in pixels of the picture.
 * @throws LatentSyncError `invalid_argument`
 */
export function alignmentPoints(state: HeadState, placement: HeadPlacement): AlignmentPoints {
  checkPlacement(placement);
  const { person, pose } = state;
  const { brows, nose } = person;
  const { upperY, outerY } = browCurve(brows);
  // Mean of the edge's cubic curve: its four control points weigh the same.
  const edgeX = (-1 - 0.4 + 0.35 + 1) * 0.25 * brows.halfLength;
  const edgeY = (0.006 + upperY + upperY - 0.004 + outerY) / 4;
  const brow = (direction: -1 | 1): Point => {
    const frame = turnedFrame(pose, direction * brows.x, brows.y, BROW_DEPTH);
    return [
      frame.x + direction * frame.scaleX * (edgeX + BROW_OUTWARDS),
      frame.y + frame.scaleY * (edgeY + BROW_DOWN + BROW_THICKNESS_SHARE * brows.thickness),
    ];
  };
  const noseY = USUAL_NOSE_Y + NOSE_Y_SHARE * (nose.y - MIDDLE_NOSE_Y);
  const noseFrame = turnedFrame(pose, 0, noseY, NOSE_POINT_DEPTH);
  const nosePoint: Point = [noseFrame.x + NOSE_ASIDE, noseFrame.y];
  const place = (point: Point): Point => inPicture(point, state, placement);
  return [place(brow(-1)), place(brow(1)), place(nosePoint)];
}

function inPicture([x, y]: Point, { pose }: HeadState, placement: HeadPlacement): Point {
  const roll = (pose.rollDegrees * Math.PI) / 180;
  const sceneX = pose.x + x * Math.cos(roll) - y * Math.sin(roll);
  const sceneY = pose.y + x * Math.sin(roll) + y * Math.cos(roll);
  const [a, b, c, d, e, f] = placement;
  // SVG counts from the corner of the first pixel, points from its centre.
  return [a * sceneX + c * sceneY + e - 0.5, b * sceneX + d * sceneY + f - 0.5];
}
