/** Clips that the demo model was never trained on: other people, voices and sentences. */
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import type { VideoReader } from "@ls/core";
import {
  type Articulation,
  createPerson,
  createSentence,
  createVoice,
  FIRST_HELD_OUT_SEED,
  renderTalkingHead,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "@ls/synthetic";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";
import { FACES } from "./settings.ts";

const SIZE = { width: 448, height: 448 } as const;
const SENTENCES = 4;

export interface HeldOutClip {
  readonly videoPath: string;
  readonly audioPath: string;
  /** The same person saying the new speech: what a perfect model would make. */
  readonly truth: VideoReader;
  /** How far the mouth is open in every frame of the source, and in every frame of the truth. */
  readonly oldOpenings: readonly number[];
  readonly newOpenings: readonly number[];
}

function speak(seed: number, seconds: number): SyntheticSpeech {
  const sentences = Array.from({ length: SENTENCES }, (_, index) =>
    createSentence(seed * SENTENCES + index),
  );
  return synthesizeSpeech({ text: sentences.join(" "), voice: createVoice(seed), seed, seconds });
}

/** Writes the source, losslessly, and the new speech into `folder`. */
export async function writeHeldOutClip(
  folder: string,
  index: number,
  seconds: number,
): Promise<HeldOutClip> {
  const seed = FIRST_HELD_OUT_SEED + 2 * index;
  const person = createPerson(FIRST_HELD_OUT_SEED + index);
  const oldSpeech = speak(seed, seconds);
  const newSpeech = speak(seed + 1, seconds);
  const frameCount = Math.round(seconds * FACES.framesPerSecond);
  const drawn = (articulationAt: (seconds: number) => Articulation): VideoReader =>
    createPictureVideo({
      ...SIZE,
      frameCount,
      picture: (frame) => renderTalkingHead({ ...SIZE, person, articulationAt }, frame),
    });
  const openings = (speech: SyntheticSpeech): number[] =>
    Array.from(
      { length: frameCount },
      (_, frame) => speech.articulationAt(frame / FACES.framesPerSecond).opening,
    );
  const audioPath = join(folder, `${index}.wav`);
  const videoPath = join(folder, `${index}.mkv`);
  await writeWav(audioPath, newSpeech.samples, newSpeech.sampleRateHz);
  await using source = drawn((at) => oldSpeech.articulationAt(at));
  const sink = createFfmpegVideoSink({ codec: "ffv1" });
  await writeVideo({ sink, path: videoPath, source, audioPath });
  return {
    videoPath,
    audioPath,
    truth: drawn((at) => newSpeech.articulationAt(at)),
    oldOpenings: openings(oldSpeech),
    newOpenings: openings(newSpeech),
  };
}
