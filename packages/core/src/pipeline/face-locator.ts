/** Which faces of a frame are synced, and the matrices that bring them to the model's square. */
import { LatentSyncError } from "../errors.ts";
import type { AlignmentPoints, FaceAligner, FaceDetector, FaceTransform } from "../face.ts";
import type { FaceTimeline } from "../faces/face-timeline.ts";
import type { AffineMatrix, Point } from "../image.ts";
import type { Tracer } from "../trace.ts";
import type { VideoFrame } from "../video.ts";
import { traced } from "./tracing.ts";

/** A face that is to be synced. */
export interface LocatedFace {
  /** The same number in every frame that shows the person. */
  readonly track: number;
  readonly matrix: AffineMatrix;
}

/** The faces of a frame, in a stable order of tracks. */
export interface LocatedFaces {
  readonly faces: readonly LocatedFace[];
  /** Counted from 0: a cut begins another. `undefined` where no face tells. */
  readonly shot: number | undefined;
}

export interface FaceLocator {
  locate(frame: VideoFrame): Promise<LocatedFaces>;
}

/** Faces that were followed over the video, and smoothed. */
export function timelineLocator(timeline: FaceTimeline, aligner: FaceAligner): FaceLocator {
  return {
    async locate({ index }) {
      const found = await timeline.at(index);
      const faces = found.flatMap(({ track, points }) => {
        // The transform's own smoothing would lag behind points that are smooth already.
        const matrix = matrixOf(points, aligner.createTransform());
        return matrix === undefined ? [] : [{ track, matrix }];
      });
      return { faces, shot: found[0]?.shot };
    },
  };
}

export interface FrameLocatorOptions {
  readonly detector: FaceDetector;
  readonly aligner: FaceAligner;
  readonly tracer: Tracer | undefined;
  readonly signal: AbortSignal;
}

/**
 * The detector's first face of every frame by itself, as in the official pipeline. Each source frame
 * is looked at once: when the video runs back over it, its matrix is known.
 */
export class FrameLocator implements FaceLocator {
  readonly #options: FrameLocatorOptions;
  readonly #transform: FaceTransform;
  readonly #known: LocatedFaces[] = [];

  constructor(options: FrameLocatorOptions) {
    this.#options = options;
    this.#transform = options.aligner.createTransform();
  }

  async locate(frame: VideoFrame): Promise<LocatedFaces> {
    const known = this.#known[frame.index];
    if (known !== undefined) return known;
    const { detector, tracer, signal } = this.#options;
    const details = { frame: frame.index };
    const [face] = await traced(tracer, { track: "detect", name: "detect", details }, () =>
      detector.detect(frame, frame.index, { signal }),
    );
    const matrix =
      face === undefined ? undefined : matrixOf(wholePixels(face.points), this.#transform);
    const located = matrix === undefined ? NO_FACES : { faces: [{ track: 0, matrix }], shot: 0 };
    this.#known.push(located);
    return located;
  }
}

const NO_FACES: LocatedFaces = { faces: [], shot: undefined };

/** `undefined` for points that no face has: a degenerate detection counts as none. */
function matrixOf(points: AlignmentPoints, transform: FaceTransform): AffineMatrix | undefined {
  try {
    return transform.next(points);
  } catch (error) {
    if (LatentSyncError.is(error) && error.code === "no_face") return undefined;
    throw error;
  }
}

/** Alignment points rounded to whole pixels, as the official pipeline has them (half to even). */
function wholePixels(points: AlignmentPoints): AlignmentPoints {
  const round = ([x, y]: Point): Point => [roundHalfToEven(x), roundHalfToEven(y)];
  return [round(points[0]), round(points[1]), round(points[2])];
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
