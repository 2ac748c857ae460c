/**
 * The official pipeline's face detector: InsightFace's `det_10g` and `2d106det`, for users who hold
 * these files. They are not part of this package.
 */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Face,
  type FaceDetector,
  LatentSyncError,
  type Picture,
  type RgbImage,
  rgbOf,
  type Runtime,
  type Session,
} from "@ls/core";
import { type FaceLimits, filterFaces } from "./filter-faces.ts";
import {
  findLandmarks,
  insightFacePoints,
  type PixelScale,
  pixelScaleOf,
} from "./landmark-network.ts";
import { checkRgbImage } from "./rgb-image-check.ts";
import { detectScrfd } from "./scrfd.ts";

const DETECTOR_FILE = "det_10g.onnx";
const LANDMARK_FILE = "2d106det.onnx";
const DEFAULT_MAX_FACES = 5;

/** To be shown to whoever uses InsightFace's weights. */
export const INSIGHTFACE_LICENCE_NOTICE: string =
  "InsightFace's buffalo_* model weights are for non-commercial research purposes only. " +
  "For other uses obtain a licence from InsightFace, or use the MediaPipe detector (Apache-2.0).";

export interface InsightFaceDetectorOptions {
  /** Runs both networks; it stays the caller's to dispose, after the detector. */
  readonly runtime: Runtime;
  /** Folder of `det_10g.onnx` and `2d106det.onnx`. */
  readonly modelFolder: string;
  /** Which faces to leave out; default: the official pipeline's limits, and at most 5 faces. */
  readonly limits?: Partial<FaceLimits>;
  /** Aborts the loading. */
  readonly signal?: AbortSignal;
}

/**
 * Loads both networks. Show {@link INSIGHTFACE_LICENCE_NOTICE} to the user.
 * @throws LatentSyncError `not_found` if a file is missing, `invalid_model` if it is another model.
 */
export async function createInsightFaceDetector(
  options: InsightFaceDetectorOptions,
): Promise<FaceDetector> {
  const { runtime, modelFolder, signal } = options;
  signal?.throwIfAborted();
  const detectorPath = await existing(modelFolder, DETECTOR_FILE);
  const landmarkPath = await existing(modelFolder, LANDMARK_FILE);
  const scale = pixelScaleOf(await readFile(landmarkPath));
  const sessionOptions = signal === undefined ? {} : { signal };
  const limits = { maxFaces: DEFAULT_MAX_FACES, ...options.limits };
  const detector = await runtime.createSession({ path: detectorPath }, sessionOptions);
  try {
    const landmarks = await runtime.createSession({ path: landmarkPath }, sessionOptions);
    return new InsightFaceDetector({ detector, landmarks, scale, limits });
  } catch (error) {
    await detector[Symbol.asyncDispose]();
    throw error;
  }
}

interface InsightFaceParts {
  readonly detector: Session;
  readonly landmarks: Session;
  readonly scale: PixelScale;
  readonly limits: Partial<FaceLimits>;
}

class InsightFaceDetector implements FaceDetector {
  readonly #parts: InsightFaceParts;
  #disposal: Promise<unknown> | undefined;

  constructor(parts: InsightFaceParts) {
    this.#parts = parts;
  }

  async detect(
    picture: Picture | RgbImage,
    _frameIndex: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly Face[]> {
    const { detector, landmarks, scale, limits } = this.#parts;
    options.signal?.throwIfAborted();
    if (this.#disposal !== undefined) {
      throw new LatentSyncError("disposed", "The InsightFace face detector was disposed.");
    }
    const image = await rgbOf(picture);
    checkRgbImage(image);
    const detections = await detectScrfd(detector, image, options);
    const faces: Face[] = [];
    for (const { box, score, corners } of filterFaces(detections, limits)) {
      options.signal?.throwIfAborted();
      const found = await findLandmarks(landmarks, scale, image, corners, options);
      faces.push({ box, score, points: insightFacePoints(found) });
    }
    return faces;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { detector, landmarks } = this.#parts;
    this.#disposal ??= Promise.all([
      detector[Symbol.asyncDispose](),
      landmarks[Symbol.asyncDispose](),
    ]);
    await this.#disposal;
  }
}

async function existing(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  try {
    await access(path);
    return path;
  } catch (error) {
    throw new LatentSyncError("not_found", `The InsightFace model file ${path} does not exist.`, {
      cause: error,
      hint: `Put ${DETECTOR_FILE} and ${LANDMARK_FILE} of InsightFace's buffalo_l pack (non-commercial) into that folder, or use the MediaPipe detector.`,
    });
  }
}
