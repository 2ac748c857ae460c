/** The square parts of a frame, upright and turned, in which faces are searched for. */
import { BLAZE_FACE_SIZE, type BlazeFaceDetection } from "./blaze-face.ts";
import {
  type FramePart,
  type RotatedSquare,
  sampleTurnedSquare,
  sampleUprightSquare,
} from "./image-sampling.ts";

/** Neighbouring tiles are this part of their side apart. */
const TILE_STRIDE = 0.75;
/** Side of the widened view, of the frame's longer side. */
const WIDENED = 1.6;

/** The frame in the middle of a square. */
export function wholeView({ width, height }: FramePart): RotatedSquare {
  return { centerX: width / 2, centerY: height / 2, size: Math.max(width, height), angle: 0 };
}

/** The frame with a wide border, for faces that it cuts off. */
export function widenedView(frame: FramePart): RotatedSquare {
  const whole = wholeView(frame);
  return { ...whole, size: whole.size * WIDENED };
}

/** Overlapping squares that cover the frame. */
export function tileViews({ width, height }: FramePart, size: number): RotatedSquare[] {
  const lefts = tileStarts(width, size);
  return tileStarts(height, size).flatMap((top) =>
    lefts.map((left) => ({ centerX: left + size / 2, centerY: top + size / 2, size, angle: 0 })),
  );
}

function tileStarts(length: number, size: number): number[] {
  if (length <= size) return [(length - size) / 2];
  const steps = Math.ceil((length - size) / (size * TILE_STRIDE));
  return Array.from({ length: steps + 1 }, (_, index) => ((length - size) * index) / steps);
}

/** What a network sees of a view: `[256, 256, 3]` float32 in [-1, 1], black outside the frame. */
export function sampleView(frame: FramePart, view: RotatedSquare): Float32Array {
  if (view.angle !== 0) return sampleTurnedSquare(frame, view, BLAZE_FACE_SIZE);
  const { centerX, centerY, size } = view;
  const square = { left: centerX - size / 2, top: centerY - size / 2, size };
  return sampleUprightSquare(frame, square, BLAZE_FACE_SIZE);
}

/** A detection in a view's 256x256 pixels in those of the frame; its box keeps its size as it turns. */
export function detectionInFrame(
  { score, left, top, right, bottom, keypoints }: BlazeFaceDetection,
  { centerX, centerY, size, angle }: RotatedSquare,
): BlazeFaceDetection {
  const scale = size / BLAZE_FACE_SIZE;
  const cosine = Math.cos(angle) * scale;
  const sine = Math.sin(angle) * scale;
  const place = (x: number, y: number): [number, number] => {
    const u = x - BLAZE_FACE_SIZE / 2;
    const v = y - BLAZE_FACE_SIZE / 2;
    return [centerX + u * cosine - v * sine, centerY + u * sine + v * cosine];
  };
  const [x, y] = place((left + right) / 2, (top + bottom) / 2);
  const halfWidth = ((right - left) / 2) * scale;
  const halfHeight = ((bottom - top) / 2) * scale;
  const placed: number[] = [];
  for (let index = 0; index + 1 < keypoints.length; index += 2) {
    placed.push(...place(keypoints[index] as number, keypoints[index + 1] as number));
  }
  return {
    score,
    left: x - halfWidth,
    top: y - halfHeight,
    right: x + halfWidth,
    bottom: y + halfHeight,
    keypoints: placed,
  };
}
