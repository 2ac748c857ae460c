/** Runs the product's pipeline on a held-out clip, and measures what came of it. */
import { basename, join } from "node:path";
import {
  bestLag,
  evaluateLipSync,
  lagCorrelations,
  type LipSyncEvaluation,
  pearson,
  type Signal,
} from "@ls/testing";
import { createFaceAligner, createFfmpegVideoSource, createMouthRuler } from "@ls/video";
import type { LoadedEngine } from "latentsync-ts";
import type { HeldOutClip } from "./held-out-clip.ts";
import { FACES } from "./settings.ts";

const SEED = 1247;
const MAX_LAG_FRAMES = 10;

export interface Settings {
  readonly guidanceScale: number;
  readonly inferenceSteps: number;
}

/** Correlations are of the opening that FaceMesh measures in the output. */
export interface ClipFigures {
  /** With the opening that the new speech was drawn from, and with the source's. */
  readonly newSpeech: number;
  readonly oldSpeech: number;
  readonly lagFrames: number;
  readonly mouthPsnrDb: number;
  readonly ssimOutsideFace: number;
  /** Deviation of the opening, of the output and of the true render. */
  readonly movement: number;
  readonly trueMovement: number;
  readonly framesWithoutFace: number;
  readonly openings: Signal;
}

/** `folder` takes the output for a while. */
export async function measureClip(
  engine: LoadedEngine,
  clip: HeldOutClip,
  { folder, ...settings }: Settings & { readonly folder: string },
): Promise<ClipFigures> {
  const output = join(folder, `${basename(clip.videoPath, ".mkv")}-output.mkv`);
  const { videoPath: video, audioPath: audio } = clip;
  for await (const event of engine.run({ video, audio, output, seed: SEED, ...settings })) {
    if (event.type === "done") break;
  }
  const found = await evaluate(clip, output);
  const openings = found.openings.measured.map((value) => value ?? undefined);
  const best = bestLag(lagCorrelations(openings, clip.newOpenings, MAX_LAG_FRAMES));
  return {
    newSpeech: pearson(openings, clip.newOpenings) ?? Number.NaN,
    oldSpeech: pearson(openings, clip.oldOpenings) ?? Number.NaN,
    lagFrames: best?.lagFrames ?? Number.NaN,
    mouthPsnrDb: found.mouthPsnrDb ?? Number.NaN,
    ssimOutsideFace: found.ssimOutsideFace ?? Number.NaN,
    movement: found.movement.measured ?? Number.NaN,
    trueMovement: found.movement.truth ?? Number.NaN,
    framesWithoutFace: found.framesWithoutFace,
    openings,
  };
}

async function evaluate(clip: HeldOutClip, output: string): Promise<LipSyncEvaluation> {
  const source = createFfmpegVideoSource();
  await using made = await source.open(output);
  await using original = await source.open(clip.videoPath);
  await using ruler = await createMouthRuler();
  await using geometry = createFaceAligner({ resolution: FACES.resolution });
  return await evaluateLipSync({
    video: made,
    truth: clip.truth,
    source: { video: original, geometry },
    ruler,
  });
}
