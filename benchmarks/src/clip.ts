/** The benchmarks' own footage: a generated person in upright 1080p, and synthetic speech. */
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import type { AlignmentPoints, RgbImage, VideoReader } from "@ls/core";
import {
  alignmentPoints,
  createPerson,
  createSentence,
  createVoice,
  type HeadPlacement,
  type HeadState,
  renderHead,
  restingArticulation,
  restingPose,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "@ls/synthetic";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";

export const PICTURE = { width: 1080, height: 1920 } as const;
export const FRAMES_PER_SECOND = 25;
const FACE_HEIGHT = 430;
const PLACEMENT: HeadPlacement = [FACE_HEIGHT, 0, 0, FACE_HEIGHT, 540, 864];

function restingHead(): HeadState {
  return { person: createPerson(3), pose: restingPose, mouth: restingArticulation };
}

/** A person who looks ahead. */
export function renderPicture(): Promise<RgbImage> {
  return renderHead(restingHead(), { ...PICTURE, placement: PLACEMENT });
}

/** Where a detector finds the face of {@link renderPicture}. */
export function picturePoints(): AlignmentPoints {
  return alignmentPoints(restingHead(), PLACEMENT);
}

export function generateSpeech(seconds: number): SyntheticSpeech {
  return synthesizeSpeech({ text: createSentence(1), voice: createVoice(1), seconds });
}

/** A video of a person who does not move. */
export async function stillClip(frameCount: number): Promise<VideoReader> {
  const picture = await renderPicture();
  const { width, height } = PICTURE;
  return createPictureVideo({ width, height, frameCount, picture: () => picture });
}

/** Speech as a WAV file. */
export async function writeSpeech(folder: string, seconds: number): Promise<string> {
  const path = join(folder, "speech.wav");
  const { samples, sampleRateHz } = generateSpeech(seconds);
  await writeWav(path, samples, sampleRateHz);
  return path;
}

/** A video and speech of the same length. */
export async function writeClip(
  folder: string,
  seconds: number,
  signal: AbortSignal,
): Promise<{ readonly video: string; readonly audio: string }> {
  const audioPath = await writeSpeech(folder, seconds);
  const path = join(folder, "input.mp4");
  await using source = await stillClip(seconds * FRAMES_PER_SECOND);
  await writeVideo({ sink: createFfmpegVideoSink(), path, source, audioPath, signal });
  return { video: path, audio: audioPath };
}
