/**
 * The face seams: finding faces, and moving them between the frame and the model's square.
 * Adapters pass `faceDetectorConformance` and `faceAlignerConformance` of `@ls/testing`.
 */
import type { AffineMatrix, ImagePatch, Picture, Point, Rectangle, RgbImage } from "./image.ts";

/** Centres of the brow on the image's left, the brow on its right, and the nose, in pixels. */
export type AlignmentPoints = readonly [leftBrow: Point, rightBrow: Point, nose: Point];

export interface Face {
  readonly box: Rectangle;
  /** Confidence, 0 to 1. */
  readonly score: number;
  readonly points: AlignmentPoints;
  /**
   * How far the mouth is open: the gap of the inner lips over the distance of the eyes' outer
   * corners. 0 when closed, about 0.5 when wide open. Tells who is speaking.
   */
  readonly mouthOpening?: number;
  /** What the person looks like, as a unit vector: faces of one person have a high cosine. */
  readonly appearance?: Float32Array;
}

export interface FaceDetector extends AsyncDisposable {
  /** Its points are given rather than estimated: they are taken as they are, frame by frame. */
  readonly exact?: boolean;
  /**
   * Faces of a frame that are fit for lip-sync, best first; empty if there is none.
   * @param picture the frame, of which a detector converts no more than it needs.
   * @param frameIndex position of the frame in the video, for detectors that read from a file.
   */
  detect(
    picture: Picture | RgbImage,
    frameIndex: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly Face[]>;
}

/** A face brought to the model's square, with what is needed to put it back. */
export interface AlignedFace {
  /** `[3, resolution, resolution]` uint8, RGB planes. */
  readonly pixels: Uint8Array;
  /** From frame to crop (before the resize to `resolution`). */
  readonly matrix: AffineMatrix;
  /** The part of the frame that the face covers, as it was. */
  readonly background: ImagePatch;
}

/** Turns alignment points into matrices, smoothed over frames: one per video, fed in order. */
export interface FaceTransform {
  /** @throws LatentSyncError `no_face` if no face has such points; the smoothing is then as before. */
  next(points: AlignmentPoints): AffineMatrix;
}

/** Affine crop and paste at one resolution. Works off the calling thread. */
export interface FaceAligner extends AsyncDisposable {
  readonly resolution: number;
  /** `[resolution, resolution]` float32 inpainting mask: 1 = keep, 0 = generate. */
  readonly mask: Float32Array;
  createTransform(): FaceTransform;
  /** The part of a `width` x `height` frame that `align` needs and `restore` changes. */
  region(matrix: AffineMatrix, width: number, height: number): Rectangle;
  /** Warps the face out of its `background`, the frame's pixels in `region(matrix, width, height)`. */
  align(
    background: ImagePatch,
    matrix: AffineMatrix,
    options?: { readonly signal?: AbortSignal },
  ): Promise<AlignedFace>;
  /**
   * Blends a generated face over its background with a soft edge.
   * @param face `[3, resolution, resolution]` float32 in [-1, 1]; values outside are clamped.
   * @returns the changed part of the frame, of the same rectangle as `aligned.background`.
   */
  restore(
    face: Float32Array,
    aligned: AlignedFace,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ImagePatch>;
}
