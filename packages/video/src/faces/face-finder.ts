/**
 * Finds and follows faces with BlazeFace and FaceMesh. A face is looked for where its landmarks were in
 * the frame before, as MediaPipe's own face landmark graph does, which needs that part of the frame only.
 * Differences: FaceMesh runs several times on a new detection, so that landmarks do not depend on how the
 * face was found; following ends when the picture there changes too much (a cut); and the whole frame
 * is searched at regular intervals, so that a new face is seen and what is none is given up. Where such
 * a search shows nothing, small, turned and cut-off faces are searched for.
 */
import { join } from "node:path";
import type { AlignmentPoints, Rectangle, RgbImage } from "@ls/core";
import type { BlazeFaceDetection } from "./blaze-face.ts";
import type { AppearanceNetwork } from "./face-appearance.ts";
import {
  alignmentPoints,
  FACE_MESH_OUTPUTS,
  FACE_MESH_SIZE,
  landmarkBox,
  landmarksInFrame,
  squareFromDetection,
  squareFromLandmarks,
} from "./face-mesh.ts";
import { FaceSearch } from "./face-search.ts";
import {
  type FramePart,
  rectangleAround,
  type RotatedSquare,
  sampleRotatedSquare,
  wholeFrame,
} from "./image-sampling.ts";
import { mouthOpening } from "./mouth.ts";
import { type ImageGraph, loadImageGraph, type TensorFlow } from "./tensorflow.ts";

const MIN_FACE_FLAG = 0.5;
/** Runs of FaceMesh on a new detection, each on the square that the one before gives. */
const LANDMARK_PASSES = 3;
/** Two finds whose boxes overlap more than this are the same face. */
const SAME_FACE_OVERLAP = 0.5;
/** A detection and the landmarks of the same face differ in width by no more than this factor. */
const MAX_WIDTH_RATIO = 2;
/** Mean absolute change of a face's square, of 1, above which it is no longer the same shot. */
const MAX_CHANGE = 0.14;
/** The view in which a face is looked for again, of its landmarks' square. */
const VICINITY = 2;
/** Frames after which a followed face's appearance is measured again. */
const APPEARANCE_INTERVAL = 50;
/** And sooner, if what is seen there has changed so much, of 1: one face may dissolve into another. */
const APPEARANCE_CHANGE = 0.06;
const APPEARANCE_PAUSE = 5;

/** A face with all its landmarks. */
export interface FoundFace {
  readonly box: Rectangle;
  /** FaceMesh's confidence that this is a face, 0 to 1. */
  readonly score: number;
  readonly points: AlignmentPoints;
  /** `[468, 2]` in pixels of the frame. */
  readonly landmarks: Float64Array;
  readonly mouthOpening: number;
  /** Unit vector; `undefined` without a network that tells it. */
  readonly appearance: Float32Array | undefined;
}

interface TrackedFace extends FoundFace {
  /** What FaceMesh saw, to notice a cut. */
  readonly pixels: Float32Array;
  /** Frames since the appearance was measured. */
  readonly appearanceAge: number;
  /** What FaceMesh saw then. */
  readonly appearancePixels: Float32Array | undefined;
}

export interface FaceFinderOptions {
  /** Frames from one search of the whole frame to the next; 1 searches in every frame. */
  readonly detectionInterval: number;
  /** Faces looked at per frame, the largest first. */
  readonly maxFaces: number;
  /** Width in pixels of the smallest face that is worth a second look at parts of the frame. */
  readonly minWidth: number;
  /** Looks closely also where a face is found at a glance. Default false. */
  readonly thorough?: boolean;
}

/** The frame that a finder was given last. */
interface LastFrame {
  readonly index: number;
  readonly width: number;
  readonly height: number;
}

/** The faces of the frame before: where they are now, and those that are no longer there. */
interface Followed {
  readonly faces: readonly TrackedFace[];
  readonly lost: readonly TrackedFace[];
}

const NONE_FOLLOWED: Followed = { faces: [], lost: [] };

/** Finds faces in the frames of one video, fed in order; other orders work without following. */
export class FaceFinder implements Disposable {
  readonly #search: FaceSearch;
  readonly #faceMesh: ImageGraph;
  readonly #appearance: AppearanceNetwork | undefined;
  readonly #options: FaceFinderOptions;
  #tracked: readonly TrackedFace[] = [];
  #lastFrame: LastFrame = { index: Number.NaN, width: 0, height: 0 };
  /** Counts the searched one too. */
  #framesSinceSearch = 0;
  /** Frames without a face since a close look that was in vain. */
  #framesSinceCloseLook = Number.POSITIVE_INFINITY;

  private constructor(
    networks: { readonly search: FaceSearch; readonly faceMesh: ImageGraph },
    appearance: AppearanceNetwork | undefined,
    options: FaceFinderOptions,
  ) {
    this.#search = networks.search;
    this.#faceMesh = networks.faceMesh;
    this.#appearance = appearance;
    this.#options = options;
  }

  /**
   * Loads `blazeface.json` and `facemesh.json` from `modelFolder`.
   * @param appearance tells people apart; the finder disposes it.
   */
  static async load(
    tensorflow: TensorFlow,
    modelFolder: string,
    options: FaceFinderOptions,
    appearance?: AppearanceNetwork,
  ): Promise<FaceFinder> {
    const search = await FaceSearch.load(tensorflow, modelFolder, options.minWidth);
    try {
      const path = join(modelFolder, "facemesh.json");
      const faceMesh = await loadImageGraph(tensorflow, path, FACE_MESH_SIZE);
      return new FaceFinder({ search, faceMesh }, appearance, options);
    } catch (error) {
      search[Symbol.dispose]();
      throw error;
    }
  }

  /** All faces of a frame, in no particular order. */
  find(image: RgbImage, frameIndex: number): readonly FoundFace[] {
    const frame = wholeFrame(image);
    const isNext = this.#isNext(frame, frameIndex);
    const followed = isNext ? this.#followed(frame) : NONE_FOLLOWED;
    if (this.#isSettled(followed) && !this.#isSearchDue) {
      return this.#keep(followed.faces, frame, frameIndex);
    }
    if (!isNext) this.#framesSinceCloseLook = Number.POSITIVE_INFINITY;
    this.#framesSinceSearch = 0;
    return this.#keep(this.#searched(frame, followed), frame, frameIndex);
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
    if (this.#isSearchDue || !this.#isNext(part, frameIndex)) return undefined;
    const followed = this.#followed(part);
    return this.#isSettled(followed) ? this.#keep(followed.faces, part, frameIndex) : undefined;
  }

  [Symbol.dispose](): void {
    this.#tracked = [];
    this.#search[Symbol.dispose]();
    this.#faceMesh[Symbol.dispose]();
    this.#appearance?.[Symbol.dispose]();
  }

  get #isSearchDue(): boolean {
    return this.#framesSinceSearch >= this.#options.detectionInterval;
  }

  /** Whether all faces are where they are looked for, and who they were. */
  #isSettled({ faces, lost }: Followed): boolean {
    return (
      faces.length > 0 &&
      lost.length === 0 &&
      (this.#appearance === undefined || !faces.some(hasChanged))
    );
  }

  #isNext({ frameWidth, frameHeight }: FramePart, frameIndex: number): boolean {
    const { index, width, height } = this.#lastFrame;
    return frameIndex === index + 1 && frameWidth === width && frameHeight === height;
  }

  #keep(
    faces: readonly TrackedFace[],
    { frameWidth, frameHeight }: FramePart,
    index: number,
  ): readonly FoundFace[] {
    this.#framesSinceSearch++;
    this.#framesSinceCloseLook = faces.length > 0 ? Infinity : this.#framesSinceCloseLook + 1;
    this.#tracked = faces;
    this.#lastFrame = { index, width: frameWidth, height: frameHeight };
    return faces;
  }

  /** The faces of the frame before in the next one. */
  #followed(part: FramePart): Followed {
    if (this.#options.detectionInterval === 1) return NONE_FOLLOWED;
    const faces: TrackedFace[] = [];
    const lost: TrackedFace[] = [];
    for (const before of this.#tracked) {
      const now = this.#readLandmarks(part, squareFromLandmarks(before.landmarks));
      const isThere =
        now !== undefined &&
        meanChange(now.pixels, before.pixels) <= MAX_CHANGE &&
        faces.every((other) => !isSameFace(other.box, now.box));
      if (isThere) faces.push(keepAppearance(now, before));
      else lost.push(before);
    }
    return { faces, lost };
  }

  /** The faces of a whole frame; those that were followed into it have their landmarks already. */
  #searched(frame: FramePart, { faces: followed, lost }: Followed): TrackedFace[] {
    const glanced = this.#settled(frame, this.#search.glance(frame), followed);
    const missed = followed.filter((face) =>
      glanced.every(({ box }) => !isSameFace(box, face.box)),
    );
    const confirmed = missed.filter((face) =>
      this.#inVicinity(frame, face).some((detection) => shows(detection, face.box)),
    );
    const regained = lost.flatMap((face) => this.#inVicinity(frame, face));
    const faces = distinct([...glanced, ...confirmed, ...this.#settled(frame, regained, glanced)]);
    const found = this.#isCloseLookDue(faces) ? this.#closeLook(frame, faces) : faces;
    return found.map((face) => this.#withAppearance(frame, face));
  }

  #isCloseLookDue(faces: readonly TrackedFace[]): boolean {
    if (this.#options.thorough === true) return true;
    return faces.length === 0 && this.#framesSinceCloseLook >= this.#options.detectionInterval;
  }

  #closeLook(frame: FramePart, known: readonly TrackedFace[]): TrackedFace[] {
    this.#framesSinceCloseLook = 0;
    let faces = [...known];
    for (const detections of this.#search.closely(frame)) {
      faces = distinct([...faces, ...this.#settled(frame, detections, faces)]);
      if (faces.length > 0 && this.#options.thorough !== true) break;
    }
    return faces;
  }

  /** What BlazeFace sees where a face is or was. */
  #inVicinity(frame: FramePart, { landmarks }: TrackedFace): BlazeFaceDetection[] {
    const square = squareFromLandmarks(landmarks);
    return this.#search.within(frame, { ...square, size: square.size * VICINITY });
  }

  /** The faces of detections, with landmarks; detections of faces that are known have theirs. */
  #settled(
    frame: FramePart,
    detections: readonly BlazeFaceDetection[],
    known: readonly TrackedFace[],
  ): TrackedFace[] {
    const faces = detections
      .toSorted((a, b) => b.right - b.left - (a.right - a.left))
      .slice(0, this.#options.maxFaces)
      .flatMap(
        (detection) =>
          known.find(({ box }) => shows(detection, box)) ??
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
      mouthOpening: mouthOpening(values),
      appearance: undefined,
      appearanceAge: Number.POSITIVE_INFINITY,
      appearancePixels: undefined,
    };
  }

  #withAppearance(frame: FramePart, face: TrackedFace): TrackedFace {
    const changed = hasChanged(face);
    if (this.#appearance === undefined || (face.appearanceAge < APPEARANCE_INTERVAL && !changed)) {
      return face;
    }
    const before = changed ? undefined : face.appearance;
    const appearance = this.#appearance.measure(frame, face.landmarks, before);
    return { ...face, appearance, appearanceAge: 0, appearancePixels: face.pixels };
  }
}

function keepAppearance(
  now: TrackedFace,
  { appearance, appearanceAge, appearancePixels }: TrackedFace,
): TrackedFace {
  return { ...now, appearance, appearanceAge: appearanceAge + 1, appearancePixels };
}

/** Whether a face no longer looks as it did when its appearance was measured. */
function hasChanged({ pixels, appearanceAge, appearancePixels }: TrackedFace): boolean {
  return (
    appearancePixels !== undefined &&
    appearanceAge >= APPEARANCE_PAUSE &&
    meanChange(pixels, appearancePixels) > APPEARANCE_CHANGE
  );
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
    if (kept.every(({ box }) => !isSameFace(box, face.box))) kept.push(face);
  }
  return kept;
}

function isSameFace(a: Rectangle, b: Rectangle): boolean {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return false;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared) >= SAME_FACE_OVERLAP;
}

function meanChange(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) {
    sum += Math.abs((a[index] as number) - (b[index] as number));
  }
  return sum / a.length;
}
