/** Drawn people who speak, for footage that every clone can make. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import { pastePatch, type RgbImage, type VideoReader } from "@ls/core";
import {
  createPerson,
  createVoice,
  renderTalkingHead,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "@ls/synthetic";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createPictureVideo,
  writeVideo,
} from "@ls/video";

export interface DrawnPerson {
  readonly seed: number;
  /** Of the square that the person is drawn in. */
  readonly left: number;
  readonly size: number;
}

export interface DrawnScene {
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  /** Default 25. */
  readonly framesPerSecond?: number;
  readonly people: readonly DrawnPerson[];
  /** Frames that are black. */
  readonly isBlack?: (index: number) => boolean;
}

function createSpeech(seconds: number, seed = 4): SyntheticSpeech {
  const text = "My father found five yellow balloons, and she keeps three green keys.";
  return synthesizeSpeech({ text, voice: createVoice(seed), seconds });
}

/** A folder with a scene, lossless, and a speech of its length. */
export interface DrawnFiles extends AsyncDisposable {
  readonly video: string;
  readonly audio: string;
  path(name: string): string;
}

export async function writeScene(scene: DrawnScene): Promise<DrawnFiles> {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-footage-"));
  const path = (name: string): string => join(folder, name);
  const [video, audio] = [path("scene.mkv"), path("speech.wav")];
  const { samples, sampleRateHz } = createSpeech(scene.seconds);
  await writeWav(audio, samples, sampleRateHz);
  await using source = drawScene(scene);
  const sink = createFfmpegVideoSink({ codec: "ffv1" });
  await writeVideo({ sink, path: video, source, audioPath: audio });
  return {
    ...{ video, audio, path },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

function drawScene(scene: DrawnScene): VideoReader {
  const { width, height, seconds, framesPerSecond = 25, people, isBlack = () => false } = scene;
  const speeches = people.map(({ seed }) => createSpeech(seconds, seed));
  const picture = async (index: number): Promise<RgbImage> => {
    const image = { width, height, data: new Uint8Array(width * height * 3) };
    if (isBlack(index)) return image;
    image.data.fill(110);
    for (const [position, { seed, left, size }] of people.entries()) {
      const speech = speeches[position];
      if (speech === undefined) continue;
      const head = {
        ...{ person: createPerson(seed), width: size, height: size },
        articulationAt: (at: number) => speech.articulationAt(at),
      };
      // Heads are drawn at 25 frames a second.
      const drawn = await renderTalkingHead(head, Math.round((index * 25) / framesPerSecond));
      pastePatch(image, { ...drawn, x: left, y: Math.floor((height - size) / 2) });
    }
    return image;
  };
  const frameCount = Math.round(seconds * framesPerSecond);
  return createPictureVideo({ width, height, frameCount, framesPerSecond, picture });
}

export interface TimedPicture {
  readonly timeSeconds: number;
  readonly data: Uint8Array;
}

/** Every picture of a file, with its time. */
export async function readPictures(path: string): Promise<TimedPicture[]> {
  await using reader = await createFfmpegVideoSource().open(path, { framesPerSecond: "source" });
  const pictures: TimedPicture[] = [];
  for await (const decoded of reader.frames()) {
    using frame = decoded;
    pictures.push({ timeSeconds: frame.timeSeconds, data: (await frame.toRgb()).data });
  }
  return pictures;
}

/** Pixels that differ between two pictures of a width, within a range of columns. */
export function changedPixels(
  before: TimedPicture,
  after: TimedPicture,
  columns: { readonly width: number; readonly left: number; readonly right: number },
): number {
  let changed = 0;
  for (let pixel = 0; pixel < before.data.length / 3; pixel++) {
    const x = pixel % columns.width;
    if (x < columns.left || x >= columns.right) continue;
    const at = pixel * 3;
    const differs = [0, 1, 2].some(
      (channel) => before.data[at + channel] !== after.data[at + channel],
    );
    if (differs) changed += 1;
  }
  return changed;
}
