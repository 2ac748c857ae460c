import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DoneEvent, LatentSyncError } from "@ls/core";
import type { Command } from "commander";
import { DEMO_MODEL_NAME } from "../bundled-model.ts";
import type { CommandContext } from "../command-context.ts";
import { createDemoClip, writeDemoClip } from "../demo/demo-clip.ts";
import { renderDemoSheet } from "../demo/demo-sheet.ts";
import { load } from "../load.ts";
import {
  debugOption,
  integer,
  jsonOption,
  modelOption,
  type RuntimeName,
  runtimeOption,
} from "../options.ts";
import { createProgress, type ProgressReporter } from "../progress.ts";
import { formatDuration } from "../terminal.ts";

/** Of the demo model: as many as make a difference to the eye. */
const INFERENCE_STEPS = 10;
const GUIDANCE_SCALE = 1.5;
/** About four seconds, with lips shut, rounded, spread and wide open. */
const NEW_TEXT = "Hello! My father found five yellow balloons above our farm.";
const SEED = 6;

interface DemoOptions {
  readonly out: string;
  readonly text: string;
  readonly seconds?: number;
  readonly seed: number;
  readonly model?: string;
  readonly runtime: RuntimeName;
  readonly json?: boolean;
}

export function addDemoCommand(program: Command, context: CommandContext): void {
  program
    .command("demo")
    .description("generate a talking person and new speech, and lip-sync one to the other")
    .option("--out <dir>", "folder for what is made", "latentsync-demo")
    .option("--text <sentence>", "what the new speech says, in English", NEW_TEXT)
    .option("--seconds <n>", "length of the clip; default: until it is said", integer(1, 600))
    .option("--seed <n>", "another person, other voices, other noise", integer(0, 1_000_000), SEED)
    .addOption(modelOption())
    .addOption(runtimeOption())
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((options: DemoOptions) => demo(options, context));
}

async function demo(options: DemoOptions, context: CommandContext): Promise<void> {
  const { terminal, signal } = context;
  const { out, text, json = false } = options;
  using progress = createProgress({ terminal, json, signal });
  const say = (message: string): void => progress.report({ type: "notice", message });
  const video = join(out, "face.mp4");
  const audio = join(out, "speech.wav");
  const output = join(out, "demo.mp4");
  const contactSheet = join(out, "contact-sheet.png");

  const clip = createDemoClip(options);
  await mkdir(out, { recursive: true });
  say(`Drawing a person who talks: ${video}`);
  await writeDemoClip(clip, { video, speech: audio }, signal);
  say(`New speech of another voice, “${text}”: ${audio}`);
  const { done, model } = await sync({ ...options, video, audio, output }, { progress, signal });
  const paths = { sourcePath: video, outputPath: output };
  await writeFile(contactSheet, await renderDemoSheet({ clip, text, model, ...paths, signal }));
  say(`Source and output side by side: ${contactSheet}`);

  progress.report(done);
  if (json) return;
  progress[Symbol.dispose]();
  const { frames, elapsedSeconds } = done.result;
  terminal.stderr.write(`${frames} frames in ${formatDuration(elapsedSeconds)}\n`);
  terminal.stdout.write(`${output}\n${contactSheet}\n`);
}

interface SyncOptions extends Pick<DemoOptions, "model" | "runtime" | "seed"> {
  readonly video: string;
  readonly audio: string;
  readonly output: string;
}

/** Lip-syncs the clip and reports everything but the end, which is not the demo's. */
async function sync(
  { model = DEMO_MODEL_NAME, runtime, seed, video, audio, output }: SyncOptions,
  { progress, signal }: { readonly progress: ProgressReporter; readonly signal: AbortSignal },
): Promise<{ readonly done: DoneEvent; readonly model: string }> {
  await using engine = await load({
    model,
    runtime,
    onGraphProgress: (network, bytesDone, bytesTotal) =>
      progress.report({ type: "graph", network, bytesDone, bytesTotal }),
    signal,
  });
  const settings = { inferenceSteps: INFERENCE_STEPS, guidanceScale: GUIDANCE_SCALE, seed };
  for await (const event of engine.run({ video, audio, output, ...settings, signal })) {
    if (event.type === "done") return { done: event, model: engine.model.name };
    progress.report(event);
  }
  throw new LatentSyncError("runtime", `The run of ${output} ended without a result.`);
}
