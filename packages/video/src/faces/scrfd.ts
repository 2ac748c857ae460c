/**
 * SCRFD face detection (`det_10g.onnx`) as the insightface 0.7.3 package runs it
 * (`model_zoo/retinaface.py`).
 * Difference: equal scores keep the order of the anchors, where numpy leaves it open.
 */
import {
  float32,
  LatentSyncError,
  type Rectangle,
  type RgbImage,
  type Session,
  type Tensor,
} from "@ls/core";
import { channelSwappedBlob, resizeLinear } from "./opencv-image.ts";

/** Side of the square that a frame is fitted into, as the official pipeline sets it. */
const DETECTION_SIZE = 512;
const STRIDES = [8, 16, 32] as const;
const ANCHORS_PER_CELL = 2;
const MEAN = 127.5;
const DEVIATION = 128;
const MIN_SCORE = 0.5;
const MAX_OVERLAP = 0.4;

/** A detection in pixels of the frame. */
export interface ScrfdDetection {
  readonly score: number;
  readonly box: Rectangle;
  /** The box as x1, y1, x2, y2 in single precision. */
  readonly corners: readonly [number, number, number, number];
  /** x, y of five points; empty if the network has none. */
  readonly keypoints: readonly number[];
}

interface Level {
  readonly stride: number;
  readonly scores: Float32Array;
  readonly boxes: Float32Array;
  readonly keypoints: Float32Array | undefined;
}

/** All detections of a frame, best score first. */
export async function detectScrfd(
  session: Session,
  image: RgbImage,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ScrfdDetection[]> {
  const input = session.inputs[0];
  const [, , inputHeight, inputWidth] = input?.dims ?? [];
  const height = typeof inputHeight === "number" && inputHeight > 0 ? inputHeight : DETECTION_SIZE;
  const width = typeof inputWidth === "number" && inputWidth > 0 ? inputWidth : DETECTION_SIZE;
  const { fitted, scale } = fit(image, width, height);
  const blob = float32([1, 3, height, width], channelSwappedBlob(fitted, MEAN, DEVIATION));
  const outputs = await session.run({ [input?.name ?? ""]: blob }, options);
  const levels = readLevels(session, outputs, width, height);
  const detections = levels.flatMap((level) => decodeLevel(level, width, scale));
  return suppress(detections.sort((a, b) => b.score - a.score));
}

/** The frame at the top left of a black image of `width` x `height`. */
function fit(
  image: RgbImage,
  width: number,
  height: number,
): { readonly fitted: RgbImage; readonly scale: number } {
  const ratio = image.height / image.width;
  const isTall = ratio > height / width;
  const fittedHeight = Math.max(1, isTall ? height : Math.trunc(width * ratio));
  const fittedWidth = Math.max(1, isTall ? Math.trunc(height / ratio) : width);
  const resized = resizeLinear(image, fittedWidth, fittedHeight);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < fittedHeight; y++) {
    const row = resized.data.subarray(y * fittedWidth * 3, (y + 1) * fittedWidth * 3);
    data.set(row, y * width * 3);
  }
  return { fitted: { width, height, data }, scale: fittedHeight / image.height };
}

function readLevels(
  session: Session,
  outputs: Record<string, Tensor>,
  width: number,
  height: number,
): Level[] {
  const count = session.outputs.length;
  if (count !== STRIDES.length * 2 && count !== STRIDES.length * 3) {
    throw invalidDetector(`has ${count} outputs instead of 6 or 9`);
  }
  const values = (index: number, size: number): Float32Array => {
    const name = session.outputs[index]?.name ?? "";
    const data = outputs[name]?.data;
    if (data instanceof Float32Array && data.length === size) return data;
    throw invalidDetector(
      `gives ${data?.length ?? 0} values in ${name} instead of ${size} float32`,
    );
  };
  return STRIDES.map((stride, index) => {
    const anchors = Math.trunc(width / stride) * Math.trunc(height / stride) * ANCHORS_PER_CELL;
    return {
      stride,
      scores: values(index, anchors),
      boxes: values(index + STRIDES.length, anchors * 4),
      keypoints:
        count === STRIDES.length * 3 ? values(index + STRIDES.length * 2, anchors * 10) : undefined,
    };
  });
}

function invalidDetector(what: string): LatentSyncError {
  return new LatentSyncError("invalid_model", `The InsightFace detector ${what}.`, {
    hint: "Use det_10g.onnx of the buffalo_l model pack.",
  });
}

function decodeLevel(level: Level, inputWidth: number, scale: number): ScrfdDetection[] {
  const { stride, scores, boxes, keypoints } = level;
  const columns = Math.trunc(inputWidth / stride);
  const detections: ScrfdDetection[] = [];
  for (let anchor = 0; anchor < scores.length; anchor++) {
    const score = scores[anchor] as number;
    if (!(score >= MIN_SCORE)) continue;
    const cell = Math.trunc(anchor / ANCHORS_PER_CELL);
    const centerX = (cell % columns) * stride;
    const centerY = Math.trunc(cell / columns) * stride;
    const distance = (index: number): number =>
      Math.fround((boxes[anchor * 4 + index] as number) * stride);
    const inFrame = (value: number): number => Math.fround(Math.fround(value) / scale);
    const corners = [
      inFrame(centerX - distance(0)),
      inFrame(centerY - distance(1)),
      inFrame(centerX + distance(2)),
      inFrame(centerY + distance(3)),
    ] as const;
    const [x, y, right, bottom] = corners;
    detections.push({
      score,
      box: { x, y, width: right - x, height: bottom - y },
      corners,
      keypoints: Array.from(
        keypoints?.subarray(anchor * 10, (anchor + 1) * 10) ?? [],
        (value, index) =>
          inFrame((index % 2 === 0 ? centerX : centerY) + Math.fround(value * stride)),
      ),
    });
  }
  return detections;
}

/** Drops what overlaps a better detection; `detections` are sorted by score. */
function suppress(detections: readonly ScrfdDetection[]): ScrfdDetection[] {
  const kept: ScrfdDetection[] = [];
  for (const detection of detections) {
    if (kept.every((better) => overlap(better, detection) <= MAX_OVERLAP)) kept.push(detection);
  }
  return kept;
}

/** Intersection over union in single precision, boxes taken to include their last pixel. */
function overlap({ corners: a }: ScrfdDetection, { corners: b }: ScrfdDetection): number {
  const width = Math.max(0, side(Math.max(a[0], b[0]), Math.min(a[2], b[2])));
  const height = Math.max(0, side(Math.max(a[1], b[1]), Math.min(a[3], b[3])));
  const shared = Math.fround(width * height);
  return Math.fround(shared / Math.fround(Math.fround(area(a) + area(b)) - shared));
}

function side(from: number, to: number): number {
  return Math.fround(Math.fround(to - from) + 1);
}

function area([x1, y1, x2, y2]: ScrfdDetection["corners"]): number {
  return Math.fround(side(x1, x2) * side(y1, y2));
}
