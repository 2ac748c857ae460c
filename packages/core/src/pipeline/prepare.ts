/** From video frames to frames with an aligned face and their speech. */
import { LatentSyncError } from "../errors.ts";
import type {
  AlignedFace,
  AlignmentPoints,
  FaceAligner,
  FaceDetector,
  FaceTransform,
} from "../face.ts";
import type { AffineMatrix, Point } from "../image.ts";
import type { Tracer } from "../trace.ts";
import type { VideoFrame, VideoReader } from "../video.ts";
import { FaceChoice, type RelativePoint } from "./face-choice.ts";
import { frameSequence } from "./frame-sequence.ts";
import { prefetch } from "./prefetch.ts";
import { traced, tracedItems } from "./tracing.ts";

export interface PreparedFrame {
  readonly frame: VideoFrame;
  /** `undefined`: no face, the frame passes through unchanged. */
  readonly face: AlignedFace | undefined;
  /** `[tokens, width]` audio features. */
  readonly speech: Float32Array;
}

/** Frames that are decoded while a face is looked for in the frame before them. */
const DECODED_AHEAD = 2;
/** Frames whose faces are being warped at the same time. */
const CONCURRENT_ALIGNMENTS = 4;
/** Frames in memory, at most, that are not yet in a chunk. */
export const FRAMES_IN_PREPARATION: number = DECODED_AHEAD + CONCURRENT_ALIGNMENTS + 3;

export interface PrepareOptions {
  readonly reader: VideoReader;
  readonly detector: FaceDetector;
  readonly aligner: FaceAligner;
  readonly speech: AsyncIterable<Float32Array>;
  readonly frameCount: number;
  /** A frame without a face is an error, as in the official pipeline, instead of passing through. */
  readonly requireFaces: boolean;
  /** Which face, if there are several. Default: the detector's first. */
  readonly faceAt: RelativePoint | undefined;
  readonly tracer: Tracer | undefined;
  readonly signal: AbortSignal;
}

/** Prepared frames in output order. The consumer disposes their frames. */
export async function* prepareFrames(options: PrepareOptions): AsyncGenerator<PreparedFrame> {
  const preparing = prefetch(startPreparing(options), CONCURRENT_ALIGNMENTS, releasePreparing);
  for await (const { result } of preparing) yield await result;
}

/** Wrapped, because an async generator would await a bare promise. */
interface Preparing {
  readonly result: Promise<PreparedFrame>;
}

function releasePreparing({ result }: Preparing): void {
  result.then(
    ({ frame }) => frame[Symbol.dispose](),
    () => undefined,
  );
}

async function* startPreparing(options: PrepareOptions): AsyncGenerator<Preparing> {
  const { reader, frameCount, tracer, signal } = options;
  const locator = new FaceLocator(options);
  const speech = options.speech[Symbol.asyncIterator]();
  const decoded = tracedItems(tracer, "decode", frameSequence(reader, frameCount, signal));
  try {
    for await (const frame of prefetch(decoded, DECODED_AHEAD, releaseFrame)) {
      let owned = true;
      try {
        signal.throwIfAborted();
        const features = await traced(tracer, { track: "speech", name: "features" }, () =>
          speech.next(),
        );
        if (features.done === true) return;
        const matrix = await locator.locate(frame);
        owned = false;
        const result = alignFrame(options, frame, matrix, features.value);
        // Whoever awaits it later sees the error; until then nobody listens.
        result.catch(() => undefined);
        yield { result };
      } finally {
        if (owned) frame[Symbol.dispose]();
      }
    }
  } finally {
    await speech.return?.();
  }
}

function releaseFrame(frame: VideoFrame): void {
  frame[Symbol.dispose]();
}

async function alignFrame(
  { aligner, tracer, signal }: PrepareOptions,
  frame: VideoFrame,
  matrix: AffineMatrix | undefined,
  speech: Float32Array,
): Promise<PreparedFrame> {
  try {
    if (matrix === undefined) return { frame, face: undefined, speech };
    const details = { frame: frame.index };
    const face = await traced(tracer, { track: "align", name: "align", details }, async () => {
      const region = aligner.region(matrix, frame.width, frame.height);
      const background = { x: region.x, y: region.y, ...(await frame.toRgb(region)) };
      return aligner.align(background, matrix, { signal });
    });
    return { frame, face, speech };
  } catch (error) {
    frame[Symbol.dispose]();
    throw error;
  }
}

/** Finds each source frame's face once; when the video runs back over a frame, its matrix is known. */
class FaceLocator {
  readonly #options: PrepareOptions;
  readonly #transform: FaceTransform;
  readonly #choice: FaceChoice | undefined;
  readonly #matrices: (AffineMatrix | undefined)[] = [];

  constructor(options: PrepareOptions) {
    this.#options = options;
    this.#transform = options.aligner.createTransform();
    this.#choice = options.faceAt === undefined ? undefined : new FaceChoice(options.faceAt);
  }

  async locate(frame: VideoFrame): Promise<AffineMatrix | undefined> {
    if (frame.index < this.#matrices.length) return this.#matrices[frame.index];
    const { detector, requireFaces, tracer, signal } = this.#options;
    const details = { frame: frame.index };
    const faces = await traced(tracer, { track: "detect", name: "detect", details }, () =>
      detector.detect(frame, frame.index, { signal }),
    );
    const face = this.#choice === undefined ? faces[0] : this.#choice.next(faces, frame);
    const matrix = face === undefined ? undefined : this.#transformOf(face.points);
    if (matrix === undefined && requireFaces) {
      throw new LatentSyncError(
        "no_face",
        `No face was found in frame ${frame.index} of the video.`,
        {
          hint: 'Such frames pass through unchanged with framesWithoutFace "pass", that is, without --compat.',
        },
      );
    }
    this.#matrices.push(matrix);
    return matrix;
  }

  /** `undefined` for points that no face has: a degenerate detection counts as none. */
  #transformOf(points: AlignmentPoints): AffineMatrix | undefined {
    try {
      return this.#transform.next(wholePixels(points));
    } catch (error) {
      if (LatentSyncError.is(error) && error.code === "no_face") return undefined;
      throw error;
    }
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
