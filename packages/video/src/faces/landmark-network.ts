/**
 * The 106-point landmark network (`2d106det.onnx`) as the insightface 0.7.3 package runs it
 * (`model_zoo/landmark.py`, `utils/face_align.py`), and what LatentSync makes of its points.
 * Differences: none intended.
 */
import {
  type AffineMatrix,
  type AlignmentPoints,
  float32,
  LatentSyncError,
  type Point,
  type RgbImage,
  type Session,
} from "@ls/core";
import { firstNodeNames } from "./onnx-node-names.ts";
import {
  channelSwappedBlob,
  invertAffine,
  roundHalfEven,
  warpAffineLinear,
} from "./opencv-image.ts";

const LANDMARK_COUNT = 106;
const CROP_SIZE = 192;
/** Nodes among which the package looks for a normalisation inside the graph. */
const INSPECTED_NODES = 8;

const LEFT_BROW = [43, 48, 49, 51, 50] as const;
const RIGHT_BROW = [101, 102, 103, 104, 105] as const;
const NOSE = [74, 77, 83, 86] as const;

/** What is done to pixels before the network: `(pixel - mean) / deviation`. */
export interface PixelScale {
  readonly mean: number;
  readonly deviation: number;
}

/** The scale that the package picks for a model: none if its first nodes already normalise. */
export function pixelScaleOf(model: Uint8Array): PixelScale {
  const names = firstNodeNames(model, INSPECTED_NODES);
  const has = (...prefixes: string[]): boolean =>
    names.slice(0, 3).includes("bn_data") ||
    names.some((name) => prefixes.some((prefix) => name.startsWith(prefix)));
  return has("Sub", "_minus") && has("Mul", "_mul")
    ? { mean: 0, deviation: 1 }
    : { mean: 127.5, deviation: 128 };
}

/** The square that the network sees: 1.5 times the box, from the frame to 192x192. */
export function landmarkCropMatrix(
  corners: readonly [number, number, number, number],
): AffineMatrix {
  const [x1, y1, x2, y2] = corners;
  const longest = Math.max(Math.fround(x2 - x1), Math.fround(y2 - y1));
  const scale = CROP_SIZE / (longest * 1.5);
  const centerX = Math.fround(Math.fround(x2 + x1) / 2);
  const centerY = Math.fround(Math.fround(y2 + y1) / 2);
  return [scale, 0, CROP_SIZE / 2 - centerX * scale, 0, scale, CROP_SIZE / 2 - centerY * scale];
}

/** The pixels of {@link landmarkCropMatrix}: 192x192. */
export function landmarkCrop(image: RgbImage, matrix: AffineMatrix): RgbImage {
  return warpAffineLinear(image, matrix, CROP_SIZE);
}

/**
 * Landmarks of the face in a box.
 * @param corners x1, y1, x2, y2 in pixels of the frame.
 * @returns `[106, 2]` in pixels of the frame.
 */
export async function findLandmarks(
  session: Session,
  scale: PixelScale,
  image: RgbImage,
  corners: readonly [number, number, number, number],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Float32Array> {
  const matrix = landmarkCropMatrix(corners);
  const blob = channelSwappedBlob(landmarkCrop(image, matrix), scale.mean, scale.deviation);
  const outputs = await session.run(
    { [session.inputs[0]?.name ?? ""]: float32([1, 3, CROP_SIZE, CROP_SIZE], blob) },
    options,
  );
  const values = outputs[session.outputs[0]?.name ?? ""]?.data;
  if (!(values instanceof Float32Array) || values.length !== LANDMARK_COUNT * 2) {
    throw new LatentSyncError(
      "invalid_model",
      `The InsightFace landmark network gives ${values?.length ?? 0} values instead of ${LANDMARK_COUNT * 2} float32.`,
      { hint: "Use 2d106det.onnx of the buffalo_l model pack." },
    );
  }
  return toFrame(values, invertAffine(matrix));
}

function toFrame(values: Float32Array, [a, b, tx, c, d, ty]: AffineMatrix): Float32Array {
  const landmarks = new Float32Array(values.length);
  for (let index = 0; index < values.length; index += 2) {
    const x = Math.fround(Math.fround((values[index] as number) + 1) * (CROP_SIZE / 2));
    const y = Math.fround(Math.fround((values[index + 1] as number) + 1) * (CROP_SIZE / 2));
    landmarks[index] = a * x + b * y + tx;
    landmarks[index + 1] = c * x + d * y + ty;
  }
  return landmarks;
}

/** LatentSync's three points: landmarks rounded, averaged, rounded again. */
export function insightFacePoints(landmarks: Float32Array): AlignmentPoints {
  return [
    roundedMean(landmarks, LEFT_BROW),
    roundedMean(landmarks, RIGHT_BROW),
    roundedMean(landmarks, NOSE),
  ];
}

function roundedMean(landmarks: Float32Array, indices: readonly number[]): Point {
  const mean = (axis: 0 | 1): number =>
    indices.reduce((sum, index) => sum + roundHalfEven(landmarks[index * 2 + axis] as number), 0) /
    indices.length;
  return [roundHalfEven(mean(0)), roundHalfEven(mean(1))];
}
