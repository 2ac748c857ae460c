/** The benchmarks' own footage: a drawn face in upright 1080p and a synthesised voice. */
import { join } from "node:path";
import { synthesizeVoice, writeWav } from "@ls/audio";
import type { RgbImage, VideoReader } from "@ls/core";
import { createFfmpegVideoSink, createPictureVideo, renderFace } from "@ls/video";

export const PICTURE = { width: 1080, height: 1920, faceHeight: 430 } as const;
export const FRAMES_PER_SECOND = 25;
const SAMPLE_RATE_HZ = 16_000;

/** A video of the drawn face at rest. */
export async function stillClip(frameCount: number): Promise<VideoReader> {
  const picture: RgbImage = await renderFace(PICTURE);
  const { width, height } = PICTURE;
  return createPictureVideo({ width, height, frameCount, picture: () => picture });
}

/** Encodes a video with a sound, as the pipeline's sink does. */
export async function encodeClip(
  source: VideoReader,
  audioPath: string,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await using writer = await createFfmpegVideoSink().create({ path, source, audioPath, signal });
  for await (const drawn of source.frames({ signal })) {
    using frame = drawn;
    await writer.write(frame);
  }
  await writer.finish();
}

/** A voice as a WAV file. */
export async function writeVoice(folder: string, seconds: number): Promise<string> {
  const path = join(folder, "voice.wav");
  await writeWav(path, synthesizeVoice({ seconds, seed: 1 }), SAMPLE_RATE_HZ);
  return path;
}

/** A video and a voice of the same length. */
export async function writeClip(
  folder: string,
  seconds: number,
  signal: AbortSignal,
): Promise<{ readonly video: string; readonly audio: string }> {
  const audio = await writeVoice(folder, seconds);
  const video = join(folder, "input.mp4");
  await encodeClip(await stillClip(seconds * FRAMES_PER_SECOND), audio, video, signal);
  return { video, audio };
}
