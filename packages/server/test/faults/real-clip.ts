/** Footage for the real engine: a drawn person who speaks, and another voice. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { findProgram } from "../servers/process.ts";

interface DemoClips {
  createDemoClip(options: { text: string; seconds: number; seed: number }): object;
  writeDemoClip(
    clip: object,
    paths: { readonly video: string; readonly speech: string },
    signal: AbortSignal,
  ): Promise<void>;
}

export interface RealClip {
  readonly video: string;
  readonly speech: string;
}

const ffmpeg = findProgram("ffmpeg");

/** Why there can be no long clip here, if so. */
export const ffmpegMissing: string | undefined =
  ffmpeg === undefined ? "ffmpeg is not installed" : undefined;

export async function writeClip(folder: string, seconds: number): Promise<RealClip> {
  const module = new URL("../../../cli/src/demo/demo-clip.ts", import.meta.url).href;
  const { createDemoClip, writeDemoClip } = (await import(module)) as DemoClips;
  const clip = { video: join(folder, "face.mp4"), speech: join(folder, "speech.wav") };
  const text = "Bring my map, Tom, and keep the three green keys.";
  const made = createDemoClip({ text, seconds, seed: 2 });
  await writeDemoClip(made, clip, new AbortController().signal);
  return clip;
}

/** The clip over and over, the picture in the middle of 1920x1080. */
export function repeatAtFullHd(clip: RealClip, folder: string, seconds: number): RealClip {
  if (ffmpeg === undefined) throw new Error(ffmpegMissing);
  const once = join(folder, "once.mp4");
  const long = { video: join(folder, "long.mp4"), speech: join(folder, "long.wav") };
  const run = (...args: readonly string[]): void => {
    const stdio = ["ignore", "ignore", "inherit"] as const;
    execFileSync(ffmpeg, ["-v", "error", "-y", ...args], { stdio: [...stdio] });
  };
  const repeat = (input: string, output: string): void => {
    run("-stream_loop", "-1", "-i", input, "-t", String(seconds), "-c", "copy", output);
  };
  const filter = "scale=1080:1080,pad=1920:1080:420:0";
  const encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
  run("-i", clip.video, "-vf", filter, ...encoding, "-an", once);
  repeat(once, long.video);
  repeat(clip.speech, long.speech);
  return long;
}
