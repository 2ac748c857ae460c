/** A drawn person who speaks, and other speech, as short as two chunks of the demo model. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createDemoClip, writeDemoClip } from "../../src/demo/demo-clip.ts";

export interface ShortClip {
  readonly video: string;
  readonly audio: string;
}

/** Options of `infer` that make a run of the demo model as quick as it can be. */
export const QUICK = {
  model: "latentsync-demo",
  runtime: "cpu",
  threads: 1,
  "inference-steps": 1,
} as const;

/** The same as arguments. */
export const QUICK_ARGUMENTS: readonly string[] = Object.entries(QUICK).flatMap(([name, value]) => [
  `--${name}`,
  String(value),
]);

export async function writeShortClip(folder: string): Promise<ShortClip> {
  await mkdir(folder, { recursive: true });
  const clip = { video: join(folder, "face.mp4"), speech: join(folder, "speech.wav") };
  const made = createDemoClip({ text: "Bring my map, Tom.", seconds: 0.8, seed: 2 });
  await writeDemoClip(made, clip, new AbortController().signal);
  return { video: clip.video, audio: clip.speech };
}
