/** From video frames to frames with an aligned face and their speech. */
import { LatentSyncError } from "../errors.ts";
import type {
  AlignedFace,
  AlignmentPoints,
  FaceAligner,
  FaceDetector,
  FaceTransform,
} from "../face.ts";
import {
  type AffineMatrix,
  cropImage,
  type ImagePatch,
  type Point,
  type RgbImage,
} from "../image.ts";
import type { VideoFrame, VideoReader } from "../video.ts";
import { FaceChoice, type RelativePoint } from "./face-choice.ts";
import { frameSequence } from "./frame-sequence.ts";
import { prefetch } from "./prefetch.ts";

export interface PreparedFrame {
  readonly frame: VideoFrame;
  /** `undefined`: no face, the frame passes through unchanged. */
  readonly face: AlignedFace | undefined;
  /** `[tokens, width]` audio features. */
  readonly speech: Float32Array;
}

/** Frames whose faces are being warped at the same time. */
const CONCURRENT_ALIGNMENTS = 4;

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
  const { reader, frameCount, signal } = options;
  const locator = new FaceLocator(options);
  const speech = options.speech[Symbol.asyncIterator]();
  try {
    for await (const frame of frameSequence(reader, frameCount, signal)) {
      let owned = true;
      try {
        signal.throwIfAborted();
        const features = await speech.next();
        if (features.done === true) return;
        const { matrix, image } = await locator.locate(frame);
        owned = false;
        const result = alignFrame(options, frame, matrix, image, features.value);
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

async function alignFrame(
  { aligner, signal }: PrepareOptions,
  frame: VideoFrame,
  matrix: AffineMatrix | undefined,
  image: RgbImage | undefined,
  speech: Float32Array,
): Promise<PreparedFrame> {
  try {
    if (matrix === undefined) return { frame, face: undefined, speech };
    const region = aligner.region(matrix, frame.width, frame.height);
    const background: ImagePatch =
      image === undefined
        ? { x: region.x, y: region.y, ...(await frame.toRgb(region)) }
        : cropImage(image, region);
    const face = await aligner.align(background, matrix, { signal });
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

  async locate(frame: VideoFrame): Promise<{ matrix?: AffineMatrix; image?: RgbImage }> {
    if (frame.index < this.#matrices.length) {
      const matrix = this.#matrices[frame.index];
      return matrix === undefined ? {} : { matrix };
    }
    const { detector, requireFaces, signal } = this.#options;
    const image = await frame.toRgb();
    const faces = await detector.detect(image, frame.index, { signal });
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
    return matrix === undefined ? {} : { matrix, image };
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
