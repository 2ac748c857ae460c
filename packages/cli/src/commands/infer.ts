import { DEFAULT_SEED } from "@ls/core";
import type { Command } from "commander";
import { addSigningOptions } from "../c2pa-signature.ts";
import { checkJob } from "../check-job.ts";
import type { CommandContext } from "../command-context.ts";
import { addFaceOptions } from "../face-options.ts";
import { addFootageOptions } from "../footage-options.ts";
import {
  drawSeed,
  engineOptionsOf,
  type InferFlags,
  runInferJob,
  withoutDefaultModel,
} from "../infer-job.ts";
import { load } from "../load.ts";
import { addManifestOption } from "../manifest.ts";
import { type OptionRecord, recordOptions } from "../option-record.ts";
import {
  debugOption,
  hwaccelOption,
  integer,
  jsonOption,
  modelOption,
  precisionOption,
  runtimeOption,
  threadsOption,
} from "../options.ts";
import { createProgress } from "../progress.ts";
import { addResumeOption } from "../resume-segments.ts";
import { addRunOptions, openTrace } from "../run-options.ts";
import { addSamplingOptions } from "../sampling-options.ts";
import { formatDuration } from "../terminal.ts";
import { addTimeOptions } from "../time-options.ts";

interface InferOptions extends InferFlags {
  readonly json?: boolean;
}

export function addInferCommand(program: Command, context: CommandContext): void {
  const infers = program
    .command("infer")
    .description("lip-sync a video to speech")
    .requiredOption("--video <file>", "video with a face")
    .requiredOption("--audio <file>", "speech: a sound file, or a video whose sound is used")
    .requiredOption("--out <file>", "video to write")
    .addOption(modelOption())
    .option("--unet-config <file>", "the UNet's YAML, as the official script takes it")
    .option("--unet-checkpoint <file>", "the UNet's checkpoint, as the official script takes it");
  addSamplingOptions(infers);
  addFaceOptions(infers);
  addFootageOptions(infers);
  addTimeOptions(infers);
  addRunOptions(infers)
    .option("--seed <n>", "seed of the noise; -1 draws one", integer(-1, 2 ** 32 - 1), DEFAULT_SEED)
    .addOption(runtimeOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(
      program
        .createOption("--face-detector <name>", "how faces are found")
        .choices(["mediapipe", "insightface"])
        .default("mediapipe"),
    )
    .option("--face-model <dir>", "folder with InsightFace's det_10g.onnx and 2d106det.onnx")
    .option("--landmarks <file>", "JSON with the three alignment points of every frame")
    .option("--frames-out <dir>", "also write every output frame as PNG, before encoding")
    .addOption(
      program
        .createOption("--codec <name>", "video codec of the output")
        .choices(["h264", "hevc", "av1", "vp9", "prores", "ffv1"])
        .default("h264"),
    )
    .option("--crf <n>", "quality of the encoder: lower is better", integer(0, 63))
    .addOption(hwaccelOption())
    .option("--compat", "behave exactly as the official pipeline, faults included")
    .option("--temp-dir <dir>", "accepted for the official script's sake; not used");
  addResumeOption(infers);
  addManifestOption(infers);
  addSigningOptions(infers)
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES);
  const given = recordOptions(infers);
  infers.action((options: InferOptions, command: Command) => {
    return infer(withoutDefaultModel(options, command), given(), context);
  });
}

const EXAMPLES = `
Examples:
  latentsync-ts infer --video face.mp4 --audio speech.wav --out out.mp4
  latentsync-ts infer --video face.mp4 --audio speech.mp3 --out out.mp4 --model latentsync-1.5 --quality balanced
  latentsync-ts infer --video couple.mp4 --audio speech.wav --out out.mp4 --face right
  latentsync-ts infer --video film.mov --audio speech.wav --out out.mov --fps source --codec prores --start 01:10 --end 01:32.5
`;

async function infer(
  options: InferOptions,
  given: OptionRecord,
  { terminal, signal }: CommandContext,
): Promise<void> {
  await checkJob(options);
  using progress = createProgress({ terminal, json: options.json ?? false, signal });
  await using engine = await load({
    ...engineOptionsOf(options),
    onGraphProgress: (network, bytesDone, bytesTotal) =>
      progress.report({ type: "graph", network, bytesDone, bytesTotal }),
    onNotice: (message) => progress.report({ type: "notice", message }),
    signal,
  });
  for (const message of engine.notices) progress.report({ type: "notice", message });
  const seed = drawSeed(options);
  if (options.seed === -1) progress.report({ type: "notice", message: `seed ${seed}` });
  const { model, runtime } = engine;
  using trace = openTrace(options, { seed, runtime, model: model.name });
  const job = { flags: options, given, seed, trace: trace?.file, signal };
  for await (const event of runInferJob(engine, job)) {
    progress.report(event);
    if (event.type !== "done" || options.json === true) continue;
    progress[Symbol.dispose]();
    const { frames, framesWithoutFace, elapsedSeconds, output } = event.result;
    const skipped =
      framesWithoutFace === 0 ? "" : `, ${framesWithoutFace} without a face left as they were`;
    terminal.stderr.write(`${frames} frames in ${formatDuration(elapsedSeconds)}${skipped}\n`);
    terminal.stdout.write(`${output}\n`);
  }
  progress[Symbol.dispose]();
  for (const line of trace?.report() ?? []) terminal.stderr.write(`${line}\n`);
}
