/**
 * FaceMesh (192x192, 468 landmarks): the square it looks at and the meaning of its landmarks.
 * After MediaPipe 0.8's `face_landmark_front` graph (`modules/face_landmark`).
 */
import type { AlignmentPoints, Point, Rectangle } from "@ls/core";
import type { BlazeFaceDetection } from "./blaze-face.ts";
import type { RotatedSquare } from "./image-sampling.ts";

/** Side of the input image in pixels. */
export const FACE_MESH_SIZE = 192;

/** Names of the outputs: landmarks `[468, 3]` in pixels of the input, and the face flag. */
export const FACE_MESH_OUTPUTS = ["Identity_2", "Identity_1"] as const;

/** How much larger than the face the square is. */
const SQUARE_SCALE = 1.5;
/** Outer eye corners, image left and right. */
const EYE_CORNERS = [33, 263] as const;

/**
 * FaceMesh's counterparts of the landmarks that LatentSync averages (InsightFace's 106): five
 * points along the upper edge of each brow from one end to the other, and for the nose its lower
 * bridge, its tip and both corners.
 */
const LEFT_BROW: readonly number[] = [70, 63, 105, 66, 107];
const RIGHT_BROW: readonly number[] = [300, 293, 334, 296, 336];
const NOSE: readonly number[] = [5, 1, 98, 327];

/** The square around a detection, turned so that the eyes are level. */
export function squareFromDetection(detection: BlazeFaceDetection): RotatedSquare {
  const [leftX = 0, leftY = 0, rightX = 0, rightY = 0] = detection.keypoints;
  const { left, top, right, bottom } = detection;
  return {
    centerX: (left + right) / 2,
    centerY: (top + bottom) / 2,
    size: Math.max(right - left, bottom - top) * SQUARE_SCALE,
    angle: Math.atan2(rightY - leftY, rightX - leftX),
  };
}

/** The square around the landmarks of a face, turned so that the eyes are level. */
export function squareFromLandmarks(landmarks: Float64Array): RotatedSquare {
  const box = landmarkBox(landmarks);
  const [left, right] = EYE_CORNERS;
  const dx = (landmarks[right * 2] as number) - (landmarks[left * 2] as number);
  const dy = (landmarks[right * 2 + 1] as number) - (landmarks[left * 2 + 1] as number);
  return {
    centerX: box.x + box.width / 2 + 0.5,
    centerY: box.y + box.height / 2 + 0.5,
    size: Math.max(box.width, box.height) * SQUARE_SCALE,
    angle: Math.atan2(dy, dx),
  };
}

/**
 * Landmarks in pixels of the frame: `[468, 2]`.
 * @param values `[468, 3]` in pixels of the network's input.
 */
export function landmarksInFrame(values: Float32Array, square: RotatedSquare): Float64Array {
  const count = values.length / 3;
  const landmarks = new Float64Array(count * 2);
  const scale = square.size / FACE_MESH_SIZE;
  const cosine = Math.cos(square.angle) * scale;
  const sine = Math.sin(square.angle) * scale;
  for (let index = 0; index < count; index++) {
    const u = (values[index * 3] as number) - FACE_MESH_SIZE / 2;
    const v = (values[index * 3 + 1] as number) - FACE_MESH_SIZE / 2;
    landmarks[index * 2] = square.centerX + u * cosine - v * sine - 0.5;
    landmarks[index * 2 + 1] = square.centerY + u * sine + v * cosine - 0.5;
  }
  return landmarks;
}

/** The smallest upright rectangle around all landmarks. */
export function landmarkBox(landmarks: Float64Array): Rectangle {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let index = 0; index < landmarks.length; index += 2) {
    const x = landmarks[index] as number;
    const y = landmarks[index + 1] as number;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** LatentSync's three points of a face. */
export function alignmentPoints(landmarks: Float64Array): AlignmentPoints {
  return [meanOf(landmarks, LEFT_BROW), meanOf(landmarks, RIGHT_BROW), meanOf(landmarks, NOSE)];
}

function meanOf(landmarks: Float64Array, indices: readonly number[]): Point {
  let x = 0;
  let y = 0;
  for (const index of indices) {
    x += landmarks[index * 2] as number;
    y += landmarks[index * 2 + 1] as number;
  }
  return [x / indices.length, y / indices.length];
}
