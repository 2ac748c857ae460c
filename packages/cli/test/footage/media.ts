/** Footage that the system's FFmpeg makes, copied through the reader and the writer, and measured. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ImagePatch, RgbImage, VideoFrame, VideoReadOptions } from "@ls/core";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  type FfmpegVideoSinkOptions,
  type FfmpegVideoSourceOptions,
} from "@ls/video";
import { afterAll, beforeAll } from "vitest";

const run = promisify(execFile);
const FFMPEG = "/usr/bin/ffmpeg";
const FFPROBE = "/usr/bin/ffprobe";
const MAX_OUTPUT_BYTES = 256 << 20;

/** Why footage cannot be made here; `undefined` if it can. */
export const missingFfmpeg: string | undefined =
  existsSync(FFMPEG) && existsSync(FFPROBE) ? undefined : `there is no ${FFMPEG} or ${FFPROBE}`;

/** A folder for the files of a campaign. */
export function useFolder(): (name: string) => string {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "footage-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

/** Makes a file. @param args the system's FFmpeg's, with the output last. */
export async function make(...args: readonly string[]): Promise<string> {
  await run(FFMPEG, ["-v", "error", "-y", ...args]);
  return args.at(-1) as string;
}

/** Makes a file of a test pattern at 25 frames a second. @param args as `make`'s, without inputs. */
export async function makePattern(
  size: string,
  seconds: number,
  ...args: readonly string[]
): Promise<string> {
  return await make("-f", "lavfi", "-i", `testsrc2=s=${size}:r=25:d=${seconds}`, ...args);
}

/** What the system's ffprobe prints, as CSV without section names. */
async function probe(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(FFPROBE, ["-v", "error", "-of", "csv=p=0", ...args], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return stdout.trim();
}

/** What the system's ffprobe says of a file's pictures. @param entries as `-show_entries` takes them. */
export async function probePictures(
  path: string,
  entries: string,
  ...args: readonly string[]
): Promise<string> {
  return await probe("-select_streams", "v", "-show_entries", entries, ...args, path);
}

export interface CopyOptions
  extends
    FfmpegVideoSinkOptions,
    VideoReadOptions,
    Pick<FfmpegVideoSourceOptions, "rateConversion"> {
  /** Default: two seconds with a beep. */
  readonly audioPath?: string;
  readonly edit?: (frame: VideoFrame) => Promise<readonly ImagePatch[]>;
}

/** Copies a video; with the source's rate, at the times of its frames. @returns how many there were. */
export async function copyVideo(
  input: string,
  path: string,
  options: CopyOptions,
): Promise<number> {
  const { edit, rateConversion = "nearest" } = options;
  const audioPath = options.audioPath ?? (await writeBeeps(`${path}.wav`, 2, [0.1]));
  await using source = await createFfmpegVideoSource({ rateConversion }).open(input, options);
  const sink = createFfmpegVideoSink(options);
  await using writer = await sink.create({ path, source, audioPath });
  let count = 0;
  for await (const decoded of source.frames()) {
    using frame = decoded;
    const patches = (await edit?.(frame)) ?? [];
    const time = options.framesPerSecond === "source" ? frame.timeSeconds : undefined;
    await writer.write(frame, patches, time);
    count += 1;
  }
  await writer.finish();
  return count;
}

/** A few frames as RGB, through the project's reader. */
export async function images(path: string, count: number): Promise<RgbImage[]> {
  await using source = await createFfmpegVideoSource().open(path, { framesPerSecond: "source" });
  const found: RgbImage[] = [];
  for await (const decoded of source.frames({ end: count })) {
    using frame = decoded;
    found.push(await frame.toRgb());
  }
  return found;
}

/**
 * PSNR of the luma of the worst frame, by the system's FFmpeg: as samples, whatever the files say of
 * where chroma lies. Infinite if they are identical.
 */
export async function lumaPsnrDb(before: string, after: string): Promise<number> {
  const luma = "extractplanes=y,format=gray10le,settb=AVTB,setpts=N";
  const graph = `[0:v]${luma}[a];[1:v]${luma}[b];[a][b]psnr`;
  const args = ["-v", "info", "-i", after, "-i", before, "-lavfi", graph, "-f", "null", "-"];
  const { stderr } = await run(FFMPEG, args, { maxBuffer: MAX_OUTPUT_BYTES });
  const worst = /PSNR .* min:(\S+)/u.exec(stderr)?.[1];
  return worst === "inf" ? Number.POSITIVE_INFINITY : Number.parseFloat(worst ?? "NaN");
}

const SAMPLE_RATE_HZ = 16_000;
const BEEP_SECONDS = 0.05;

/** A mono WAV file that beeps at the given times. */
export async function writeBeeps(
  path: string,
  seconds: number,
  times: readonly number[],
): Promise<string> {
  const count = Math.round(seconds * SAMPLE_RATE_HZ);
  const file = Buffer.alloc(44 + 2 * count);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(SAMPLE_RATE_HZ, 24);
  file.writeUInt32LE(2 * SAMPLE_RATE_HZ, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(2 * count, 40);
  for (const time of times) {
    const start = Math.round(time * SAMPLE_RATE_HZ);
    const end = Math.min(count, start + BEEP_SECONDS * SAMPLE_RATE_HZ);
    for (let at = start; at < end; at++) {
      const value = 0.8 * Math.cos((2 * Math.PI * 1000 * (at - start)) / SAMPLE_RATE_HZ);
      file.writeInt16LE(Math.round(32_767 * value), 44 + 2 * at);
    }
  }
  await writeFile(path, file);
  return path;
}

/** What the system's FFmpeg decodes a stream to, in pieces. */
function decodedBytes(path: string, ...args: readonly string[]): AsyncIterable<Buffer> {
  const child = spawn(FFMPEG, ["-v", "error", "-i", path, ...args, "-"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return child.stdout;
}

async function frameTimes(path: string, stream: "a" | "v", limit = ""): Promise<number[]> {
  const range = limit === "" ? [] : ["-read_intervals", limit];
  const entries = ["-select_streams", stream, "-show_entries", "frame=pts_time"];
  const lines = (await probe(...entries, ...range, path)).split("\n");
  // Frames with side data have lines of their own for it.
  return lines.map(Number.parseFloat).filter(Number.isFinite);
}

/** When a file turns loud after silence, in its own time, by the system's FFmpeg. */
export async function beepTimes(path: string): Promise<number[]> {
  const [start = 0] = await frameTimes(path, "a", "%+#4");
  const format = ["-map", "0:a", "-ac", "1", "-ar", String(SAMPLE_RATE_HZ), "-f", "s16le"];
  const times: number[] = [];
  let position = 0;
  let lastLoud = -SAMPLE_RATE_HZ;
  let odd: Buffer = Buffer.alloc(0);
  for await (const chunk of decodedBytes(path, ...format)) {
    const bytes = Buffer.concat([odd, chunk]);
    const whole = bytes.length - (bytes.length % 2);
    for (let at = 0; at < whole; at += 2, position++) {
      if (Math.abs(bytes.readInt16LE(at)) < 8000) continue;
      if (position - lastLoud > 0.2 * SAMPLE_RATE_HZ) times.push(start + position / SAMPLE_RATE_HZ);
      lastLoud = position;
    }
    odd = bytes.subarray(whole);
  }
  return times;
}

/** Every picture of a file: when it comes, and the luma of its corner. */
export async function cornerLevels(
  path: string,
): Promise<readonly { readonly time: number; readonly level: number }[]> {
  const times = await frameTimes(path, "v");
  const levels: number[] = [];
  const corner = ["-map", "0:v", "-vf", "extractplanes=y,crop=1:1:0:0"];
  const format = ["-fps_mode", "passthrough", "-f", "rawvideo"];
  for await (const chunk of decodedBytes(path, ...corner, ...format)) levels.push(...chunk);
  if (levels.length !== times.length)
    throw new Error(`${path}: ${levels.length} of ${times.length} frames`);
  return times.map((time, index) => ({ time, level: levels[index] ?? Number.NaN }));
}

/** When a file's picture turns white, in its own time, by the system's FFmpeg. */
export async function flashTimes(path: string): Promise<number[]> {
  const times = await frameTimes(path, "v");
  const format = ["-map", "0:v", "-vf", "scale=1:1,format=gray", "-fps_mode", "passthrough"];
  const levels: number[] = [];
  for await (const chunk of decodedBytes(path, ...format, "-f", "rawvideo")) levels.push(...chunk);
  if (levels.length !== times.length)
    throw new Error(`${path}: ${levels.length} of ${times.length} frames`);
  const isWhite = levels.map((level) => level > 128);
  return times.filter((_, index) => isWhite[index] && !isWhite[index - 1]);
}
