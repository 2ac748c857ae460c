/** Measures how well a video is lip-synced, from its frames and a mouth ruler. */
import { LatentSyncError, type VideoReader } from "@ls/core";
import type { Signal } from "./correlation.ts";
import { checkSizes, type FaceGeometry, mouthPsnr, ssimOutsideFace } from "./frame-comparison.ts";
import { type LipSyncReport, lipSyncReport, type LipSyncTruth } from "./lip-sync-report.ts";
import type { MouthMeasure, MouthRuler } from "./mouth-ruler.ts";

/** What is being done: measuring mouths in one of the videos, or comparing pixels of two. */
export type EvaluationStage = "video" | "truth" | "source" | "mouth pixels" | "other pixels";

export interface EvaluationProgress {
  readonly stage: EvaluationStage;
  /** Frames done. */
  readonly frames: number;
  /** An estimate, if the container tells. */
  readonly totalFrames: number | undefined;
}

export interface LipSyncEvaluationOptions {
  /** The video to judge. Read more than once. */
  readonly video: VideoReader;
  /** A video whose mouth is right, or what its openings are. */
  readonly truth: VideoReader | LipSyncTruth;
  /** The video that was lip-synced, and the aligner that tells which pixels of it were repainted. */
  readonly source?: { readonly video: VideoReader; readonly geometry: FaceGeometry } | undefined;
  /** Measures one video after the other. */
  readonly ruler: MouthRuler;
  /** Shifts that are tried, in frames; default 15 to either side. */
  readonly maxLagFrames?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
}

/** A report with the figures that need pixels; `null` without the video they need. */
export interface LipSyncEvaluation extends LipSyncReport {
  /** Of the region of the mouth, against the true video, in dB; at most 100, which means equal. */
  readonly mouthPsnrDb: number | null;
  /** Structural similarity with the source outside the rectangle that was repainted. */
  readonly ssimOutsideFace: number | null;
}

type Measures = readonly (MouthMeasure | undefined)[];

/** A truth of this many frames more or less than the video still belongs to it. */
const MOST_FRAMES_OFF = 5;

/**
 * Measures the mouth of every frame and compares it with the truth, and with the source's own mouth.
 * Of the videos only numbers are kept, a few per frame.
 * @throws LatentSyncError `no_face` if a video shows no face at all, `invalid_media` for one without
 *   frames, `invalid_argument` if frame counts or sizes do not fit.
 */
export async function evaluateLipSync(
  options: LipSyncEvaluationOptions,
): Promise<LipSyncEvaluation> {
  const { video, truth, source, maxLagFrames } = options;
  // First of all: measuring takes a while.
  if (!("openings" in truth)) checkSizes(video, truth, "true");
  if (source !== undefined) checkSizes(video, source.video, "source");
  const evaluation = new Evaluation(options);
  const measured = await evaluation.measure("video", video);
  const frameCount = measured.length;
  const trueMouths =
    "openings" in truth ? undefined : await evaluation.measure("truth", truth, frameCount);
  const signal: LipSyncTruth =
    "openings" in truth ? truth : { kind: "video", openings: openings(trueMouths ?? []) };
  checkLength(signal, frameCount);
  const sourceMouths =
    source === undefined ? undefined : await evaluation.measure("source", source.video, frameCount);
  const report = lipSyncReport({
    measured: openings(measured),
    truth: signal,
    source: sourceMouths === undefined ? undefined : playedOpenings(sourceMouths, frameCount),
    maxLagFrames,
  });
  const psnrDb =
    "openings" in truth || trueMouths === undefined
      ? undefined
      : await mouthPsnr(
          video,
          truth,
          trueMouths,
          evaluation.comparison("mouth pixels", frameCount),
        );
  const similarity =
    source === undefined || sourceMouths === undefined
      ? undefined
      : await ssimOutsideFace(
          video,
          source.video,
          { measures: sourceMouths, geometry: source.geometry },
          evaluation.comparison("other pixels", frameCount),
        );
  return { ...report, mouthPsnrDb: psnrDb ?? null, ssimOutsideFace: similarity ?? null };
}

const NAMES = { video: "video", truth: "true video", source: "source video" } as const;

class Evaluation {
  readonly #ruler: MouthRuler;
  readonly #signal: AbortSignal;
  readonly #onProgress: (progress: EvaluationProgress) => void;

  constructor({ ruler, signal, onProgress }: LipSyncEvaluationOptions) {
    this.#ruler = ruler;
    this.#signal = signal ?? new AbortController().signal;
    this.#onProgress = onProgress ?? (() => undefined);
  }

  /** The mouth of every frame; a few more than `frameCount` are enough to see that there are more. */
  async measure(
    stage: keyof typeof NAMES,
    video: VideoReader,
    frameCount = Number.POSITIVE_INFINITY,
  ): Promise<Measures> {
    const signal = this.#signal;
    const end = stage === "truth" ? frameCount + MOST_FRAMES_OFF + 1 : frameCount;
    const { estimatedFrameCount = end } = video.info;
    const total = Math.min(end, estimatedFrameCount);
    const totalFrames = Number.isFinite(total) ? total : undefined;
    const measures: (MouthMeasure | undefined)[] = [];
    for await (const decoded of video.frames({ end, signal })) {
      using frame = decoded;
      measures.push(await this.#ruler.measure(await frame.toRgb(), frame.index, { signal }));
      this.#onProgress({ stage, frames: measures.length, totalFrames });
    }
    checkFaces(measures, NAMES[stage]);
    return measures;
  }

  comparison(
    stage: "mouth pixels" | "other pixels",
    totalFrames: number,
  ): { signal: AbortSignal; onFrame: (frames: number) => void } {
    return {
      signal: this.#signal,
      onFrame: (frames) => this.#onProgress({ stage, frames, totalFrames }),
    };
  }
}

function checkFaces(measures: Measures, name: string): void {
  if (measures.length === 0) {
    throw new LatentSyncError("invalid_media", `The ${name} has no frames.`, {
      hint: "Check the file with a player, or export it again.",
    });
  }
  if (measures.some((measure) => measure !== undefined)) return;
  throw new LatentSyncError(
    "no_face",
    `None of the ${measures.length} frames of the ${name} shows a face to measure.`,
    { hint: "Use a video with a face of at least 50 x 80 pixels." },
  );
}

/** Sound may end before or after the pictures; a truth of another length belongs to another video. */
function checkLength({ kind, openings: values }: LipSyncTruth, frameCount: number): void {
  const off = Math.abs(values.length - frameCount);
  if (kind === "loudness" || off <= MOST_FRAMES_OFF) return;
  const length = kind === "video" && values.length > frameCount ? "more" : String(values.length);
  throw new LatentSyncError(
    "invalid_argument",
    `The video has ${frameCount} frames, but the truth ${length}: they may differ by ${MOST_FRAMES_OFF}.`,
    { hint: "Give the truth of this very video, one entry per frame at 25 frames per second." },
  );
}

function openings(measures: Measures): Signal {
  return measures.map((measure) => measure?.opening);
}

/** Openings of a source that the pipeline plays forward and back until `frameCount` frames are full. */
function playedOpenings(measures: Measures, frameCount: number): Signal {
  const period = 2 * measures.length;
  return Array.from({ length: frameCount }, (_, index) => {
    const phase = index % period;
    return measures[phase < measures.length ? phase : period - 1 - phase]?.opening;
  });
}
