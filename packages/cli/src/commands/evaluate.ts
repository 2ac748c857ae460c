import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { LatentSyncError, Resources } from "@ls/core";
import { evaluateLipSync, type LipSyncEvaluation, type TruthKind } from "@ls/testing";
import { createFaceAligner, createFfmpegVideoSource, createMouthRuler } from "@ls/video";
import type { Command } from "commander";
import sharp from "sharp";
import type { CommandContext } from "../command-context.ts";
import { drawEvaluation } from "../evaluation/evaluation-plot.ts";
import { createEvaluationProgress } from "../evaluation/evaluation-progress.ts";
import { openTruth } from "../evaluation/truth.ts";
import { debugOption, decimal, integer, jsonOption } from "../options.ts";
import { paint, type Terminal } from "../terminal.ts";

/** The face's place in the frame is the same at all of the model's resolutions, but for rounding. */
const RESOLUTION = 256;
/** Pixels of the plot per unit of its drawing, in dots per inch: 72 is one. */
const PLOT_DENSITY = 144;

interface EvaluateOptions {
  readonly truth?: string;
  readonly source?: string;
  readonly out?: string;
  readonly maxLag: number;
  readonly minCorrelation?: number;
  readonly json?: boolean;
}

export function addEvaluateCommand(program: Command, context: CommandContext): void {
  program
    .command("evaluate")
    .description("measure how well the mouth in a video follows the speech")
    .argument("<video>", "the lip-synced video")
    .option(
      "--truth <file>",
      "a video whose mouth is right, or JSON with its openings; default: the loudness of the video's sound",
    )
    .option(
      "--source <video>",
      "the video that was lip-synced: compares with its mouth, too, and with its other pixels",
    )
    .option("--out <dir>", "folder for report.json, plot.png and plot.svg")
    .option("--max-lag <frames>", "shifts that are tried to either side", integer(0, 250), 15)
    .option("--min-correlation <r>", "fail below this correlation with the truth", decimal(-1, 1))
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((video: string, options: EvaluateOptions) => evaluate(video, options, context));
}

const EXAMPLES = `
The mouth's opening is measured in every frame with MediaPipe FaceMesh, at 25 frames per second, in
units of the distance of the eyes. The loudness is only a cheap stand-in for a truth: even a real
mouth follows it roughly. Movement is the deviation of the opening; below about 0.015 the mouth is as
good as still, and its correlations are chance.

Examples:
  latentsync-ts evaluate out.mp4 --source face.mp4 --out evaluation
  latentsync-ts evaluate out.mp4 --truth truth.mp4 --min-correlation 0.8
`;

async function evaluate(
  video: string,
  options: EvaluateOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { json = false, out, minCorrelation } = options;
  const evaluation = await measure(video, options, { terminal, signal });
  // Shown first: what took minutes to measure is not lost to a folder that cannot be written.
  terminal.stdout.write(
    json ? `${JSON.stringify(evaluation)}\n` : formatTable(video, evaluation, terminal),
  );
  if (out !== undefined) await writeEvaluation(out, video, evaluation);
  const { correlation } = evaluation;
  if (minCorrelation === undefined || (correlation ?? -Infinity) >= minCorrelation) return;
  throw new LatentSyncError(
    "unmet",
    `The correlation with the truth is ${formatRatio(correlation)}, but at least ${minCorrelation} was asked for.`,
  );
}

async function measure(
  video: string,
  options: EvaluateOptions,
  { terminal, signal }: CommandContext,
): Promise<LipSyncEvaluation> {
  await using resources = new Resources();
  const source = createFfmpegVideoSource();
  const reader = resources.use(await source.open(video, { signal }));
  const truth = await openTruth({ video, truth: options.truth, source, signal }, resources);
  const original =
    options.source === undefined
      ? undefined
      : {
          video: resources.use(await source.open(options.source, { signal })),
          geometry: resources.use(createFaceAligner({ resolution: RESOLUTION })),
        };
  const ruler = resources.use(await createMouthRuler({ signal }));
  using progress = options.json === true ? undefined : createEvaluationProgress(terminal);
  return await evaluateLipSync({
    video: reader,
    truth,
    source: original,
    ruler,
    maxLagFrames: options.maxLag,
    signal,
    onProgress: (event) => progress?.report(event),
  });
}

async function writeEvaluation(
  folder: string,
  video: string,
  evaluation: LipSyncEvaluation,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "report.json"), `${JSON.stringify(evaluation, null, 1)}\n`);
  const drawing = drawEvaluation(evaluation, basename(video));
  await writeFile(join(folder, "plot.svg"), drawing);
  await sharp(Buffer.from(drawing), { density: PLOT_DENSITY }).toFile(join(folder, "plot.png"));
}

const TRUTHS: Readonly<Record<TruthKind, string>> = {
  video: "the mouth of the true video",
  openings: "the openings given",
  loudness: "the loudness of its own sound, a cheap stand-in",
};

function formatRatio(value: number | null): string {
  return value === null ? "not defined" : value.toFixed(3);
}

/** What a person reads. */
function formatTable(video: string, evaluation: LipSyncEvaluation, { stdout }: Terminal): string {
  const { truth, bestLag, openings } = evaluation;
  const figures: [label: string, value: string][] = [
    ["frames", `${evaluation.frames}, ${evaluation.framesWithoutFace} without a face`],
    ["truth", `${TRUTHS[truth.kind]}, ${truth.frames} frames`],
    ["correlation with the truth", formatCorrelation(evaluation)],
    ["best lag", bestLag === null ? "not defined" : formatLag(bestLag)],
  ];
  figures.push(["movement of the mouth", formatMovement(evaluation)]);
  if (openings.source !== null) {
    figures.push([
      "correlation with the source's mouth",
      formatRatio(evaluation.sourceCorrelation),
    ]);
    const outside = evaluation.ssimOutsideFace;
    figures.push(["SSIM outside the face", outside === null ? "no pixels" : outside.toFixed(4)]);
  }
  if (evaluation.mouthPsnrDb !== null) {
    figures.push(["PSNR of the mouth", `${evaluation.mouthPsnrDb.toFixed(1)} dB`]);
  }
  const width = Math.max(...figures.map(([label]) => label.length));
  const lines = figures.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
  return `${[paint(stdout, "bold", video), ...lines].join("\n")}\n`;
}

function formatCorrelation({ correlation, framesCompared }: LipSyncEvaluation): string {
  if (correlation !== null) return `${formatRatio(correlation)} over ${framesCompared} frames`;
  return framesCompared < 3
    ? `not defined: only ${framesCompared} frames have both`
    : "not defined: the mouth or the truth does not move";
}

/** How far mouths move, so that a correlation of nearly still ones is not mistaken for lip-sync. */
function formatMovement({ movement }: LipSyncEvaluation): string {
  const { measured, truth, source } = movement;
  const others = [
    ...(truth === null ? [] : [`truth ${truth.toFixed(3)}`]),
    ...(source === null ? [] : [`source ${source.toFixed(3)}`]),
  ];
  const beside = others.length === 0 ? "" : ` (${others.join(", ")})`;
  return `${measured === null ? "not defined" : measured.toFixed(3)}${beside}`;
}

function formatLag({ lagFrames, correlation }: NonNullable<LipSyncEvaluation["bestLag"]>): string {
  const frames = `${Math.abs(lagFrames)} ${Math.abs(lagFrames) === 1 ? "frame" : "frames"}`;
  const direction = lagFrames === 0 ? "" : lagFrames > 0 ? " late" : " early";
  return `${frames}${direction}, where it is ${formatRatio(correlation)}`;
}
