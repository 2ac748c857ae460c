import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { synthesizeVoice, writeWav } from "@ls/audio";
import { writeRandomModel } from "@ls/models";
import { createFfmpegVideoSink } from "@ls/video";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { drawnVideo } from "../drawn-video.ts";
import { load } from "../load.ts";
import {
  debugOption,
  integer,
  jsonOption,
  modelOption,
  type RuntimeName,
  runtimeOption,
} from "../options.ts";
import { createProgress } from "../progress.ts";
import { formatDuration } from "../terminal.ts";

const SAMPLE_RATE_HZ = 16_000;
const SIZE = { width: 640, height: 640 } as const;
const SEED = 1247;

interface DemoOptions {
  readonly out: string;
  readonly seconds: number;
  readonly model?: string;
  readonly runtime: RuntimeName;
  readonly json?: boolean;
}

export function addDemoCommand(program: Command, context: CommandContext): void {
  program
    .command("demo")
    .description("draw a face, synthesise a voice, and lip-sync one to the other")
    .option("--out <dir>", "folder for demo.mp4 and what it is made of", "latentsync-demo")
    .option("--seconds <n>", "length of the voice", integer(1, 600), 4)
    .addOption(modelOption())
    .addOption(runtimeOption())
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((options: DemoOptions) => demo(options, context));
}

async function demo(options: DemoOptions, { terminal, signal }: CommandContext): Promise<void> {
  const { out, seconds, runtime, json = false } = options;
  using progress = createProgress({ terminal, json, signal });
  const say = (message: string): void => progress.report({ type: "notice", message });
  await mkdir(out, { recursive: true });
  const audio = join(out, "voice.wav");
  const video = join(out, "face.mp4");
  const output = join(out, "demo.mp4");
  await writeWav(audio, synthesizeVoice({ seconds, seed: SEED }), SAMPLE_RATE_HZ);
  // Shorter than the voice, so that the demo shows it being played forward and back.
  await writeDrawnVideo(video, audio, Math.max(1, seconds * 0.75), signal);
  say(`A drawn face is in ${video}, a synthesised voice in ${audio}.`);
  const model = options.model ?? join(out, "model");
  if (options.model === undefined) {
    await writeRandomModel(model, { size: "small", seed: SEED, signal });
    say(`A small model with random weights is in ${model}: the mouth becomes noise.`);
    say("It shows the pipeline; for lip-sync: latentsync-ts models pull latentsync-1.6");
  }
  await using engine = await load({ model, runtime, signal });
  for await (const event of engine.run({ video, audio, output, inferenceSteps: 6, signal })) {
    progress.report(event);
    if (event.type !== "done" || json) continue;
    progress[Symbol.dispose]();
    const { frames, elapsedSeconds } = event.result;
    terminal.stderr.write(`${frames} frames in ${formatDuration(elapsedSeconds)}\n`);
    terminal.stdout.write(`${output}\n`);
  }
}

/** Draws the face and encodes it, with the voice as its sound. */
async function writeDrawnVideo(
  path: string,
  audioPath: string,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  await using source = drawnVideo({ ...SIZE, seconds });
  await using writer = await createFfmpegVideoSink().create({ path, source, audioPath, signal });
  for await (const drawn of source.frames({ signal })) {
    using frame = drawn;
    await writer.write(frame);
  }
  await writer.finish();
}
