/**
 * The figures of a demo model, on clips that it was never trained on.
 *
 *     node tools/demo-model/evaluate.ts MODEL REPORT.json [--clips 50] [--table-clips 4]
 *
 * Runs the product's own pipeline at guidance 1.5 and 10 steps on every clip, and at other settings
 * on the first few of them.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pearson } from "@ls/testing";
import { load, type LoadedEngine } from "latentsync-ts";
import { type HeldOutClip, writeHeldOutClip } from "./held-out-clip.ts";
import { type ClipFigures, measureClip, type Settings } from "./measure-clip.ts";

/** Four chunks of 16 frames. */
const SECONDS = 2.56;
const DEFAULT = { guidanceScale: 1.5, inferenceSteps: 10 } as const;
const GUIDANCE_SCALES = [1, 1.5, 2];
const INFERENCE_STEPS = [5, 10, 20];

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (
    ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  );
}

type Summary = Readonly<Record<string, number>>;

function summarise(clips: readonly HeldOutClip[], figures: readonly ClipFigures[]): Summary {
  // As if each clip had been given the speech of the next one.
  const shuffled = figures.map(
    ({ openings }, index) =>
      pearson(openings, clips[(index + 1) % clips.length]?.newOpenings ?? []) ?? Number.NaN,
  );
  const rounded = (value: number, digits = 3): number => Number(value.toFixed(digits));
  const of = (name: Exclude<keyof ClipFigures, "openings">, digits = 3): number =>
    rounded(median(figures.map((figure) => figure[name])), digits);
  return {
    clips: figures.length,
    newSpeech: of("newSpeech"),
    newSpeechLowest: rounded(Math.min(...figures.map(({ newSpeech }) => newSpeech))),
    oldSpeech: of("oldSpeech"),
    shuffledSpeech: rounded(median(shuffled)),
    lagFrames: of("lagFrames"),
    lagFramesLargest: Math.max(...figures.map(({ lagFrames }) => Math.abs(lagFrames))),
    mouthPsnrDb: of("mouthPsnrDb", 2),
    ssimOutsideFace: of("ssimOutsideFace", 5),
    ssimOutsideFaceLowest: rounded(Math.min(...figures.map((f) => f.ssimOutsideFace)), 5),
    movement: of("movement", 4),
    trueMovement: of("trueMovement", 4),
    framesWithoutFace: figures.reduce((sum, figure) => sum + figure.framesWithoutFace, 0),
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clips: { type: "string", default: "50" },
    "table-clips": { type: "string", default: "4" },
  },
});
const [model, reportPath] = positionals;
if (model === undefined || reportPath === undefined) {
  throw new Error("usage: node evaluate.ts MODEL REPORT.json [--clips N] [--table-clips N]");
}
const folder = await mkdtemp(join(tmpdir(), "held-out-"));
try {
  const clips: HeldOutClip[] = [];
  for (let index = 0; index < Number(values.clips); index++) {
    clips.push(await writeHeldOutClip(folder, index, SECONDS));
  }
  await using engines = new AsyncDisposableStack();
  const workers: LoadedEngine[] = [];
  for (let index = 0; index < availableParallelism(); index++) {
    workers.push(engines.use(await load({ model, runtime: "cpu", threads: 1, codec: "ffv1" })));
  }

  /** All clips at some settings; each engine takes the next one. */
  const run = async (some: readonly HeldOutClip[], settings: Settings): Promise<Summary> => {
    const figures: ClipFigures[] = [];
    const queue = some.entries();
    await Promise.all(
      workers.map(async (engine) => {
        for (const [index, clip] of queue) {
          const measured = await measureClip(engine, clip, { folder, ...settings });
          figures[index] = measured;
          const { openings: _, ...shown } = measured;
          process.stdout.write(`${JSON.stringify({ clip: index, ...settings, ...shown })}\n`);
        }
      }),
    );
    return { ...settings, ...summarise(some, figures) };
  };

  const heldOut = await run(clips, DEFAULT);
  const table: Summary[] = [];
  const save = (): Promise<void> =>
    writeFile(reportPath, `${JSON.stringify({ heldOut, table }, null, 2)}\n`);
  await save();
  const few = clips.slice(0, Number(values["table-clips"]));
  for (const guidanceScale of few.length === 0 ? [] : GUIDANCE_SCALES) {
    for (const inferenceSteps of INFERENCE_STEPS) {
      table.push(await run(few, { guidanceScale, inferenceSteps }));
    }
  }
  await save();
  process.stdout.write(`${JSON.stringify(heldOut, null, 2)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
