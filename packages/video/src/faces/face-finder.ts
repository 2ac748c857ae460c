/**
 * Finds and follows faces with BlazeFace and FaceMesh. A face is looked for where its landmarks were in
 * the frame before, as MediaPipe's own face landmark graph does, which needs that part of the frame only.
 * Differences: FaceMesh runs several times on a new detection, so that landmarks do not depend on how the
 * face was found; following ends when the picture there changes too much (a cut), and the whole frame
 * is searched at regular intervals, so that a new face is seen and what is none is given up.
 */
import { join } from "node:path";
import type { AlignmentPoints, Rectangle, RgbImage } from "@ls/core";
import {
  BLAZE_FACE_OUTPUTS,
  BLAZE_FACE_SIZE,
  type BlazeFaceDetection,
  decodeBlazeFace,
  suppressWeighted,
} from "./blaze-face.ts";
import {
  alignmentPoints,
  FACE_MESH_OUTPUTS,
  FACE_MESH_SIZE,
  landmarkBox,
  landmarksInFrame,
  squareFromDetection,
  squareFromLandmarks,
} from "./face-mesh.ts";
import {
  type FramePart,
  rectangleAround,
  type RotatedSquare,
  sampleRotatedSquare,
  sampleUprightSquare,
  type UprightSquare,
  wholeFrame,
} from "./image-sampling.ts";
import { type ImageGraph, loadImageGraph, type TensorFlow } from "./tensorflow.ts";

const MIN_DETECTION_SCORE = 0.5;
const MIN_FACE_FLAG = 0.5;
/** Runs of FaceMesh on a new detection, each on the square that the one before gives. */
const LANDMARK_PASSES = 3;
/** Two finds whose boxes overlap more than this are the same face. */
const SAME_FACE_OVERLAP = 0.5;
/** A detection and the landmarks of the same face differ in width by no more than this factor. */
const MAX_WIDTH_RATIO = 2;
/** Mean absolute change of a face's square, of 1, above which it is no longer the same shot. */
const MAX_CHANGE = 0.14;
/** BlazeFace finds faces down to about this many pixels of its input. */
const SMALLEST_FACE = 12;
/** Neighbouring tiles are this part of their side apart. */
const TILE_STRIDE = 0.75;

/** A face with all its landmarks. */
export interface FoundFace {
  readonly box: Rectangle;
  /** FaceMesh's confidence that this is a face, 0 to 1. */
  readonly score: number;
  readonly points: AlignmentPoints;
  /** `[468, 2]` in pixels of the frame. */
  readonly landmarks: Float64Array;
}

interface TrackedFace extends FoundFace {
  /** What FaceMesh saw, to notice a cut. */
  readonly pixels: Float32Array;
}

export interface FaceFinderOptions {
  /** Frames from one search of the whole frame to the next; 1 searches in every frame. */
  readonly detectionInterval: number;
  /** Faces looked at per frame, the largest first. */
  readonly maxFaces: number;
  /** Width in pixels of the smallest face that is worth a second look at parts of the frame. */
  readonly minWidth: number;
}

/** The frame that a finder was given last. */
interface LastFrame {
  readonly index: number;
  readonly width: number;
  readonly height: number;
}

/** Finds faces in the frames of one video, fed in order; other orders work without following. */
export class FaceFinder implements Disposable {
  readonly #blazeFace: ImageGraph;
  readonly #faceMesh: ImageGraph;
  readonly #options: FaceFinderOptions;
  #tracked: readonly TrackedFace[] = [];
  #lastFrame: LastFrame = { index: Number.NaN, width: 0, height: 0 };
  /** Counts the searched one too. */
  #framesSinceSearch = 0;

  private constructor(blazeFace: ImageGraph, faceMesh: ImageGraph, options: FaceFinderOptions) {
    this.#blazeFace = blazeFace;
    this.#faceMesh = faceMesh;
    this.#options = options;
  }

  /** Loads `blazeface.json` and `facemesh.json` from `modelFolder`. */
  static async load(
    tensorflow: TensorFlow,
    modelFolder: string,
    options: FaceFinderOptions,
  ): Promise<FaceFinder> {
    const load = (name: string, inputSize: number): Promise<ImageGraph> =>
      loadImageGraph(tensorflow, join(modelFolder, name), inputSize);
    const blazeFace = await load("blazeface.json", BLAZE_FACE_SIZE);
    try {
      const faceMesh = await load("facemesh.json", FACE_MESH_SIZE);
      return new FaceFinder(blazeFace, faceMesh, options);
    } catch (error) {
      blazeFace[Symbol.dispose]();
      throw error;
    }
  }

  /** All faces of a frame, in no particular order. */
  find(image: RgbImage, frameIndex: number): readonly FoundFace[] {
    const frame = wholeFrame(image);
    const followed = this.#followed(frame, frameIndex);
    if (followed !== undefined && !this.#isSearchDue)
      return this.#keep(followed, frame, frameIndex);
    this.#framesSinceSearch = 0;
    return this.#keep(this.#search(frame, followed ?? []), frame, frameIndex);
  }

  /** What {@link follow} needs of the frame after the last one; `undefined` if that must be searched. */
  get nextRegion(): Rectangle | undefined {
    if (this.#tracked.length === 0 || this.#isSearchDue) return undefined;
    const squares = this.#tracked.map(({ landmarks }) => squareFromLandmarks(landmarks));
    return rectangleAround(squares, this.#lastFrame);
  }

  /**
   * The faces of the frame before in this one.
   * @param part has the frame's {@link nextRegion}.
   * @returns `undefined` if a face is lost: the whole frame must then be given to {@link find}.
   */
  follow(part: FramePart, frameIndex: number): readonly FoundFace[] | undefined {
    if (this.#isSearchDue) return undefined;
    const followed = this.#followed(part, frameIndex);
    return followed === undefined ? undefined : this.#keep(followed, part, frameIndex);
  }

  [Symbol.dispose](): void {
    this.#tracked = [];
    this.#blazeFace[Symbol.dispose]();
    this.#faceMesh[Symbol.dispose]();
  }

  get #isSearchDue(): boolean {
    return this.#framesSinceSearch >= this.#options.detectionInterval;
  }

  #keep(
    faces: readonly TrackedFace[],
    { frameWidth, frameHeight }: FramePart,
    index: number,
  ): readonly FoundFace[] {
    this.#framesSinceSearch++;
    this.#tracked = faces;
    this.#lastFrame = { index, width: frameWidth, height: frameHeight };
    return faces;
  }

  /** The faces of the frame before in this one, if this is the next frame and all are still there. */
  #followed(part: FramePart, frameIndex: number): TrackedFace[] | undefined {
    const last = this.#lastFrame;
    const isNext =
      frameIndex === last.index + 1 &&
      part.frameWidth === last.width &&
      part.frameHeight === last.height;
    if (!isNext || this.#tracked.length === 0 || this.#options.detectionInterval === 1) {
      return undefined;
    }
    const faces: TrackedFace[] = [];
    for (const before of this.#tracked) {
      const face = this.#readLandmarks(part, squareFromLandmarks(before.landmarks));
      if (face === undefined || meanChange(face.pixels, before.pixels) > MAX_CHANGE) {
        return undefined;
      }
      faces.push(face);
    }
    return distinct(faces).length < faces.length ? undefined : faces;
  }

  /** Searches a whole frame; faces that were followed into it have their landmarks already. */
  #search(frame: FramePart, followed: readonly TrackedFace[]): TrackedFace[] {
    const size = Math.max(frame.width, frame.height);
    const whole = { left: (frame.width - size) / 2, top: (frame.height - size) / 2, size };
    const faces = this.#meshes(frame, this.#detectIn(frame, whole), followed);
    const worthTiles = (this.#options.minWidth * BLAZE_FACE_SIZE) / size < SMALLEST_FACE;
    if (faces.length > 0 || !worthTiles) return faces;
    const found = tiles(frame, size / 2).flatMap((tile) => this.#detectIn(frame, tile));
    return this.#meshes(frame, suppressWeighted(found), followed);
  }

  /** BlazeFace's detections in a part of the frame, in pixels of the frame. */
  #detectIn(image: RgbImage, square: UprightSquare): BlazeFaceDetection[] {
    const pixels = sampleUprightSquare(image, square, BLAZE_FACE_SIZE);
    const outputs = this.#blazeFace.run(pixels, BLAZE_FACE_OUTPUTS);
    return decodeBlazeFace(outputs, MIN_DETECTION_SCORE).map((detection) =>
      toFrame(detection, square),
    );
  }

  #meshes(
    frame: FramePart,
    detections: readonly BlazeFaceDetection[],
    followed: readonly TrackedFace[],
  ): TrackedFace[] {
    const faces = detections
      .toSorted((a, b) => b.right - b.left - (a.right - a.left))
      .slice(0, this.#options.maxFaces)
      .flatMap(
        (detection) =>
          followed.find(({ box }) => shows(detection, box)) ??
          this.#settleLandmarks(frame, detection) ??
          [],
      );
    return distinct(faces);
  }

  #settleLandmarks(frame: FramePart, detection: BlazeFaceDetection): TrackedFace | undefined {
    let face = this.#readLandmarks(frame, squareFromDetection(detection));
    for (let pass = 1; pass < LANDMARK_PASSES && face !== undefined; pass++) {
      face = this.#readLandmarks(frame, squareFromLandmarks(face.landmarks));
    }
    return face;
  }

  #readLandmarks(part: FramePart, square: RotatedSquare): TrackedFace | undefined {
    const pixels = sampleRotatedSquare(part, square, FACE_MESH_SIZE);
    const [values, flag] = this.#faceMesh.run(pixels, FACE_MESH_OUTPUTS);
    const score = flag?.[0] ?? 0;
    if (values === undefined || !(score >= MIN_FACE_FLAG)) return undefined;
    const landmarks = landmarksInFrame(values, square);
    return {
      box: landmarkBox(landmarks),
      score,
      points: alignmentPoints(landmarks),
      landmarks,
      pixels,
    };
  }
}

function toFrame(detection: BlazeFaceDetection, square: UprightSquare): BlazeFaceDetection {
  const scale = square.size / BLAZE_FACE_SIZE;
  return {
    score: detection.score,
    left: square.left + detection.left * scale,
    top: square.top + detection.top * scale,
    right: square.left + detection.right * scale,
    bottom: square.top + detection.bottom * scale,
    keypoints: detection.keypoints.map(
      (value, index) => (index % 2 === 0 ? square.left : square.top) + value * scale,
    ),
  };
}

/** Overlapping squares that cover the frame. */
function tiles(image: RgbImage, size: number): UprightSquare[] {
  const lefts = tileStarts(image.width, size);
  return tileStarts(image.height, size).flatMap((top) =>
    lefts.map((left) => ({ left, top, size })),
  );
}

function tileStarts(length: number, size: number): number[] {
  if (length <= size) return [(length - size) / 2];
  const steps = Math.ceil((length - size) / (size * TILE_STRIDE));
  return Array.from({ length: steps + 1 }, (_, index) => ((length - size) * index) / steps);
}

/** Whether a detection is of the face in a box: its centre lies in there, and its size is like it. */
function shows({ left, top, right, bottom }: BlazeFaceDetection, box: Rectangle): boolean {
  const x = (left + right) / 2 - box.x;
  const y = (top + bottom) / 2 - box.y;
  const ratio = (right - left) / box.width;
  return (
    x > 0 &&
    x < box.width &&
    y > 0 &&
    y < box.height &&
    ratio < MAX_WIDTH_RATIO &&
    ratio > 1 / MAX_WIDTH_RATIO
  );
}

/** The faces without those that cover one before them. */
function distinct(faces: readonly TrackedFace[]): TrackedFace[] {
  const kept: TrackedFace[] = [];
  for (const face of faces) {
    if (kept.every((other) => boxOverlap(face.box, other.box) < SAME_FACE_OVERLAP)) kept.push(face);
  }
  return kept;
}

function boxOverlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

function meanChange(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) {
    sum += Math.abs((a[index] as number) - (b[index] as number));
  }
  return sum / a.length;
}
