import type { RelativePoint } from "@ls/core";
import type { HardwareAcceleration, VideoCodec } from "@ls/video";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { load, type LoadOptions } from "../load.ts";
import {
  debugOption,
  hwaccelOption,
  integer,
  jsonOption,
  modelOption,
  position,
  type PrecisionName,
  precisionOption,
  type RuntimeName,
  runtimeOption,
  threadsOption,
} from "../options.ts";
import { createProgress } from "../progress.ts";
import { addRunOptions, loadOf, openTrace, type RunFlags } from "../run-options.ts";
import { addSamplingOptions, samplingOf, type SamplingFlags } from "../sampling-options.ts";
import { formatDuration } from "../terminal.ts";

interface InferOptions extends SamplingFlags, RunFlags {
  readonly video: string;
  readonly audio: string;
  readonly out: string;
  readonly model?: string;
  readonly unetConfig?: string;
  readonly unetCheckpoint?: string;
  readonly seed: number;
  readonly runtime: RuntimeName;
  readonly precision: PrecisionName;
  readonly threads?: number;
  readonly faceDetector: "mediapipe" | "insightface";
  readonly faceModel?: string;
  readonly faceAt?: RelativePoint;
  readonly landmarks?: string;
  readonly framesOut?: string;
  readonly codec: VideoCodec;
  readonly crf?: number;
  readonly hwaccel: HardwareAcceleration;
  readonly compat?: boolean;
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
  addRunOptions(infers)
    .option("--seed <n>", "seed of the noise; -1 draws one", integer(-1, 2 ** 32 - 1), 1247)
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
    .option(
      "--face-at <x,y>",
      "which face of several: the nearest to this point of the first frame with faces, such as 0.3,0.5 or 30%,50%",
      position,
    )
    .option("--landmarks <file>", "JSON with the three alignment points of every frame")
    .option("--frames-out <dir>", "also write every output frame as PNG, before encoding")
    .addOption(
      program
        .createOption("--codec <name>", "video codec of the output")
        .choices(["h264", "hevc", "av1", "vp9", "ffv1"])
        .default("h264"),
    )
    .option("--crf <n>", "quality of the encoder: lower is better", integer(0, 63))
    .addOption(hwaccelOption())
    .option("--compat", "behave exactly as the official pipeline, faults included")
    .option("--temp-dir <dir>", "accepted for the official script's sake; not used")
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((options: InferOptions, command: Command) => {
      // A model of the environment is a default, which the official script's two files replace.
      const isDefault = command.getOptionValueSource("model") === "env";
      const { model, ...rest } = options;
      const replaced = isDefault && options.unetCheckpoint !== undefined;
      return infer(replaced || model === undefined ? rest : { ...rest, model }, context);
    });
}

const EXAMPLES = `
Examples:
  latentsync-ts infer --video face.mp4 --audio speech.wav --out out.mp4
  latentsync-ts infer --video face.mp4 --audio speech.mp3 --out out.mp4 --model latentsync-1.5 --quality balanced
  latentsync-ts infer --video couple.mp4 --audio speech.wav --out out.mp4 --face-at 75%,40%
`;

/** What computes, and how: like the official pipeline on a CPU, if that is asked for. */
function arithmeticOf({
  compat,
  runtime,
  precision,
}: InferOptions): Pick<LoadOptions, "runtime" | "precision"> {
  if (precision !== "auto") return { runtime, precision };
  if (compat !== true) return { runtime, precision: undefined };
  return { runtime: runtime === "auto" ? "cpu" : runtime, precision: "float32" };
}

async function infer(options: InferOptions, { terminal, signal }: CommandContext): Promise<void> {
  using progress = createProgress({ terminal, json: options.json ?? false, signal });
  const { precision: _, ...rest } = options;
  await using engine = await load({
    ...rest,
    ...arithmeticOf(options),
    onGraphProgress: (network, bytesDone, bytesTotal) =>
      progress.report({ type: "graph", network, bytesDone, bytesTotal }),
    onNotice: (message) => progress.report({ type: "notice", message }),
    signal,
  });
  for (const message of engine.notices) progress.report({ type: "notice", message });
  const seed = options.seed === -1 ? Math.floor(Math.random() * 2 ** 32) : options.seed;
  if (options.seed === -1) progress.report({ type: "notice", message: `seed ${seed}` });
  const { model, runtime } = engine;
  using trace =
    options.trace === undefined
      ? undefined
      : openTrace(options.trace, { ...options, seed, runtime, model: model.name });
  for await (const event of engine.run({
    video: options.video,
    audio: options.audio,
    output: options.out,
    ...samplingOf(options),
    ...loadOf(options),
    ...(trace === undefined ? {} : { trace: trace.file }),
    seed,
    ...(options.faceAt === undefined ? {} : { faceAt: options.faceAt }),
    framesWithoutFace: options.compat === true ? "fail" : "pass",
    signal,
  })) {
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
  trace?.report(terminal);
}
