import type { RelativePoint } from "@ls/core";
import type { VideoCodec } from "@ls/video";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { load } from "../load.ts";
import {
  debugOption,
  decimal,
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
import { formatDuration } from "../terminal.ts";

interface InferOptions {
  readonly video: string;
  readonly audio: string;
  readonly out: string;
  readonly model?: string;
  readonly unetConfig?: string;
  readonly unetCheckpoint?: string;
  readonly inferenceSteps: number;
  readonly guidanceScale: number;
  readonly seed: number;
  readonly runtime: RuntimeName;
  readonly precision: PrecisionName;
  readonly threads?: number;
  readonly enableDeepcache?: boolean;
  readonly faceDetector: "mediapipe" | "insightface";
  readonly faceModel?: string;
  readonly faceAt?: RelativePoint;
  readonly landmarks?: string;
  readonly framesOut?: string;
  readonly codec: VideoCodec;
  readonly crf?: number;
  readonly compat?: boolean;
  readonly json?: boolean;
}

export function addInferCommand(program: Command, context: CommandContext): void {
  program
    .command("infer")
    .description("lip-sync a video to speech")
    .requiredOption("--video <file>", "video with a face")
    .requiredOption("--audio <file>", "speech: a sound file, or a video whose sound is used")
    .requiredOption("--out <file>", "video to write")
    .addOption(modelOption())
    .option("--unet-config <file>", "the UNet's YAML, as the official script takes it")
    .option("--unet-checkpoint <file>", "the UNet's checkpoint, as the official script takes it")
    .option("--inference-steps <n>", "denoising steps", integer(1, 1000), 20)
    .option("--guidance-scale <x>", "how strongly the speech moves the mouth", decimal(0, 20), 1.5)
    .option("--seed <n>", "seed of the noise; -1 draws one", integer(-1, 2 ** 32 - 1), 1247)
    .addOption(runtimeOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option("--enable-deepcache", "reuse deep features: less than half the work, less exact")
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
  latentsync-ts infer --video face.mp4 --audio speech.mp3 --out out.mp4 --model latentsync-1.5 --enable-deepcache
  latentsync-ts infer --video couple.mp4 --audio speech.wav --out out.mp4 --face-at 75%,40%
`;

async function infer(options: InferOptions, { terminal, signal }: CommandContext): Promise<void> {
  using progress = createProgress({ terminal, json: options.json ?? false, signal });
  const { precision, ...rest } = options;
  await using engine = await load({
    ...rest,
    precision: precision === "auto" ? undefined : precision,
    onGraphProgress: (network, bytesDone, bytesTotal) =>
      progress.report({ type: "graph", network, bytesDone, bytesTotal }),
    signal,
  });
  for (const message of engine.notices) progress.report({ type: "notice", message });
  const seed = options.seed === -1 ? Math.floor(Math.random() * 2 ** 32) : options.seed;
  if (options.seed === -1) progress.report({ type: "notice", message: `seed ${seed}` });
  for await (const event of engine.run({
    video: options.video,
    audio: options.audio,
    output: options.out,
    inferenceSteps: options.inferenceSteps,
    guidanceScale: options.guidanceScale,
    seed,
    deepCache: options.enableDeepcache ?? false,
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
}
