/** What the demo is made of: a person who says one thing, and another voice that says another. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import {
  createPerson,
  createVoice,
  FIRST_HELD_OUT_SEED,
  type Person,
  renderTalkingHead,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "@ls/synthetic";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";

export const FRAMES_PER_SECOND = 25;
const SIZE = { width: 480, height: 480 } as const;

export const SOURCE_TEXT =
  "She keeps three green keys near the river, and he sees her leave each evening.";

export interface DemoClip {
  readonly person: Person;
  /** What the person says in the source. */
  readonly sourceSpeech: SyntheticSpeech;
  /** What the person is to say. As long as `sourceSpeech`. */
  readonly newSpeech: SyntheticSpeech;
  readonly seconds: number;
}

export interface DemoClipOptions {
  /** What the new speech says. */
  readonly text: string;
  /** The text is said over and over until then; default: said once. */
  readonly seconds?: number | undefined;
  /** Another seed, another person and other voices: 0 to 1,000,000. */
  readonly seed: number;
}

/** @throws LatentSyncError `invalid_argument` if `text` holds nothing that can be said. */
export function createDemoClip({ text, seconds, seed }: DemoClipOptions): DemoClip {
  const [first, second] = [FIRST_HELD_OUT_SEED + 2 * seed, FIRST_HELD_OUT_SEED + 2 * seed + 1];
  const newSpeech = synthesizeSpeech({
    text,
    voice: createVoice(second),
    seed: second,
    ...(seconds === undefined ? {} : { seconds }),
  });
  const length = newSpeech.samples.length / newSpeech.sampleRateHz;
  const sourceSpeech = synthesizeSpeech({
    text: SOURCE_TEXT,
    voice: createVoice(first),
    seed: first,
    seconds: length,
  });
  return { person: createPerson(first), sourceSpeech, newSpeech, seconds: length };
}

/**
 * Draws the person saying the source's speech, and writes both: a video with its own sound, and the
 * new speech.
 */
export async function writeDemoClip(
  { person, sourceSpeech, newSpeech, seconds }: DemoClip,
  paths: { readonly video: string; readonly speech: string },
  signal: AbortSignal,
): Promise<void> {
  await writeWav(paths.speech, newSpeech.samples, newSpeech.sampleRateHz);
  const folder = await mkdtemp(join(tmpdir(), "latentsync-demo-"));
  try {
    const audioPath = join(folder, "source.wav");
    await writeWav(audioPath, sourceSpeech.samples, sourceSpeech.sampleRateHz);
    const head = {
      ...SIZE,
      person,
      articulationAt: (at: number) => sourceSpeech.articulationAt(at),
    };
    await using source = createPictureVideo({
      ...SIZE,
      frameCount: Math.ceil(seconds * FRAMES_PER_SECOND),
      framesPerSecond: FRAMES_PER_SECOND,
      picture: (index) => renderTalkingHead(head, index),
    });
    const { video: path } = paths;
    await writeVideo({ sink: createFfmpegVideoSink(), path, source, audioPath, signal });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
