/** Comparisons of two videos frame by frame; neither is ever held as a whole. */
import {
  type FaceAligner,
  frameSequence,
  LatentSyncError,
  type Rectangle,
  type VideoFrame,
  type VideoReader,
} from "@ls/core";
import { psnr } from "../compare.ts";
import type { MouthMeasure } from "./mouth-ruler.ts";
import { ssim } from "./ssim.ts";

interface ComparisonOptions {
  readonly signal: AbortSignal;
  readonly onFrame: (frame: number) => void;
}

/** Stands for equal pixels, whose ratio is infinite. */
const HIGHEST_PSNR_DB = 100;
/** Of the mouth's width: what belongs to its region on every side. */
const MOUTH_MARGIN = 1 / 4;

/** The parts of an aligner that tell where it would paste. */
export type FaceGeometry = Pick<FaceAligner, "createTransform" | "region">;

/** Where the source's mouths are, one entry per frame, and how the aligner sees their faces. */
export interface RepaintedFaces {
  readonly measures: readonly (MouthMeasure | undefined)[];
  readonly geometry: FaceGeometry;
}

/**
 * Peak signal-to-noise ratio in dB of the region around the truth's mouth, of the mean squared error
 * over all frames, at most 100; `undefined` if no frame has a mouth.
 * @param mouths of the truth's frames
 */
export async function mouthPsnr(
  video: VideoReader,
  truth: VideoReader,
  mouths: readonly (MouthMeasure | undefined)[],
  { signal, onFrame }: ComparisonOptions,
): Promise<number | undefined> {
  const errors: number[] = [];
  let index = 0;
  for await (const [actual, expected] of pairs(
    video.frames({ signal }),
    truth.frames({ signal }),
  )) {
    const region = mouthRegion(mouths[index], expected);
    index += 1;
    onFrame(index);
    if (region === undefined) continue;
    const ratio = psnr((await actual.toRgb(region)).data, (await expected.toRgb(region)).data);
    errors.push(10 ** (-ratio / 10));
  }
  if (errors.length === 0) return undefined;
  const error = errors.reduce((sum, value) => sum + value, 0) / errors.length;
  return Math.min(HIGHEST_PSNR_DB, -10 * Math.log10(error));
}

function mouthRegion(mouth: MouthMeasure | undefined, frame: VideoFrame): Rectangle | undefined {
  if (mouth === undefined) return undefined;
  const { box } = mouth;
  const margin = box.width * MOUTH_MARGIN;
  const x = Math.max(0, Math.floor(box.x - margin));
  const y = Math.max(0, Math.floor(box.y - margin));
  const right = Math.min(frame.width, Math.ceil(box.x + box.width + margin));
  const bottom = Math.min(frame.height, Math.ceil(box.y + box.height + margin));
  return right <= x || bottom <= y ? undefined : { x, y, width: right - x, height: bottom - y };
}

/**
 * Mean structural similarity of a lip-synced video and its source, outside the rectangle that the
 * pipeline repaints: 1 if nothing else changed, a little less for the encoder. A source of another
 * length is played forward and back, as the pipeline does. `undefined` if the face fills the frame.
 */
export async function ssimOutsideFace(
  video: VideoReader,
  source: VideoReader,
  faces: RepaintedFaces,
  { signal, onFrame }: ComparisonOptions,
): Promise<number | undefined> {
  const regions = repaintedRegions(faces, source.info);
  let sum = 0;
  let compared = 0;
  let index = 0;
  const played = frameSequence(source, Number.POSITIVE_INFINITY, signal);
  for await (const [actual, original] of pairs(video.frames({ signal }), played)) {
    const similarity = ssim(await actual.toRgb(), await original.toRgb(), regions[original.index]);
    index += 1;
    onFrame(index);
    if (similarity === undefined) continue;
    sum += similarity;
    compared += 1;
  }
  return compared === 0 ? undefined : sum / compared;
}

/** What the pipeline may change of every source frame: of one without a face, nothing. */
function repaintedRegions(
  { measures, geometry }: RepaintedFaces,
  { width, height }: VideoReader["info"],
): (Rectangle | undefined)[] {
  const transform = geometry.createTransform();
  return measures.map((measure) => {
    if (measure === undefined) return undefined;
    const [left, right, nose] = measure.points;
    try {
      // Whole pixels, as the pipeline takes them.
      const points = [left, right, nose].map(([x, y]) => [Math.round(x), Math.round(y)] as const);
      const [wholeLeft = left, wholeRight = right, wholeNose = nose] = points;
      const matrix = transform.next([wholeLeft, wholeRight, wholeNose]);
      return geometry.region(matrix, width, height);
    } catch (error) {
      if (LatentSyncError.is(error) && error.code === "no_face") return undefined;
      throw error;
    }
  });
}

/** Frames of both, side by side, until either ends; disposed when the next pair is asked for. */
async function* pairs(
  first: AsyncIterable<VideoFrame>,
  second: AsyncIterable<VideoFrame>,
): AsyncGenerator<readonly [VideoFrame, VideoFrame]> {
  const others = second[Symbol.asyncIterator]();
  try {
    for await (const decoded of first) {
      using frame = decoded;
      const next = await others.next();
      if (next.done === true) return;
      using other = next.value;
      yield [frame, other];
    }
  } finally {
    await others.return?.();
  }
}

/** @throws LatentSyncError `invalid_argument` unless both have frames of one size. */
export function checkSizes(video: VideoReader, other: VideoReader, name: string): void {
  const { width, height } = video.info;
  if (other.info.width === width && other.info.height === height) return;
  throw new LatentSyncError(
    "invalid_argument",
    `The video has ${width}x${height} pixels, but the ${name} one ${other.info.width}x${other.info.height}: their pixels cannot be compared.`,
    { hint: `Give a ${name} video of the same size, or only its openings.` },
  );
}
