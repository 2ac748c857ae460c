/** A drawn person with exact landmarks, lip-synced by the small model, and looked at in its square. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { speechSampleRateHz, writeWav } from "@ls/audio";
import type { AlignmentPoints, LipSyncRequest, Point, VideoFrame, VideoReader } from "@ls/core";
import {
  alignmentPoints,
  createPerson,
  createSentence,
  createVoice,
  FIRST_HELD_OUT_SEED,
  renderTalkingHead,
  synthesizeSpeech,
  talkingHeadPlacement,
  talkingHeadState,
} from "@ls/synthetic";
import type { FacePair } from "@ls/testing";
import {
  createFaceAligner,
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createPictureVideo,
  writeVideo,
} from "@ls/video";
import { load } from "latentsync-ts";

const SIZE = { width: 448, height: 448 } as const;
const FRAMES_PER_SECOND = 25;
const RESOLUTION = 128;

export interface GeneratedClip extends AsyncDisposable {
  readonly folder: string;
  readonly video: string;
  readonly audio: string;
  /** Samples of the new speech at 16 kHz, which may be changed and written with `writeSpeech`. */
  readonly samples: Float32Array;
  writeSpeech(samples: Float32Array): Promise<void>;
  /** Whole pixels, of every frame. */
  readonly points: readonly AlignmentPoints[];
}

/** Of a person, a voice and sentences that the model was never trained on. */
export async function createGeneratedClip(seed: number, seconds: number): Promise<GeneratedClip> {
  const folder = await mkdtemp(join(tmpdir(), "footage-"));
  const heldOut = FIRST_HELD_OUT_SEED + 1000 + seed;
  const person = createPerson(heldOut);
  const speak = (offset: number): ReturnType<typeof synthesizeSpeech> => {
    const text = [0, 1, 2, 3]
      .map((index) => createSentence(8 * heldOut + offset + index))
      .join(" ");
    return synthesizeSpeech({ text, voice: createVoice(heldOut), seed: heldOut + offset, seconds });
  };
  const { articulationAt } = speak(0);
  const { samples } = speak(4);
  const frameCount = Math.round(seconds * FRAMES_PER_SECOND);
  const head = { ...SIZE, person, articulationAt };
  const points = Array.from({ length: frameCount }, (_, frame): AlignmentPoints => {
    const [left, right, nose] = alignmentPoints(
      talkingHeadState(head, frame),
      talkingHeadPlacement(SIZE),
    );
    return [wholePixels(left), wholePixels(right), wholePixels(nose)];
  });
  const video = join(folder, "source.mkv");
  const audio = join(folder, "speech.wav");
  const writeSpeech = (sound: Float32Array): Promise<void> =>
    writeWav(audio, sound, speechSampleRateHz);
  await writeSpeech(samples);
  await using source = createPictureVideo({
    ...SIZE,
    frameCount,
    picture: (frame) => renderTalkingHead(head, frame),
  });
  await writeVideo({
    sink: createFfmpegVideoSink({ codec: "ffv1" }),
    path: video,
    source,
    audioPath: audio,
  });
  const order = ["left_brow", "right_brow", "nose"];
  await writeFile(join(folder, "points.json"), JSON.stringify({ order, points }));
  return {
    ...{ folder, video, audio, samples, writeSpeech, points },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

function wholePixels([x, y]: Point): Point {
  return [Math.round(x), Math.round(y)];
}

export type ClipSettings = Pick<
  LipSyncRequest,
  "inferenceSteps" | "matchColour" | "seed" | "silence"
>;

/** @returns the path of the lossless output. */
export async function lipSync(
  clip: GeneratedClip,
  name: string,
  settings: ClipSettings,
): Promise<string> {
  const output = join(clip.folder, `${name}.mkv`);
  await using engine = await load({
    ...{ model: "latentsync-demo", runtime: "cpu", codec: "ffv1" },
    landmarks: join(clip.folder, "points.json"),
  });
  const { video, audio } = clip;
  const run = engine.run({ ...{ video, audio, output, inferenceSteps: 5 }, ...settings });
  for await (const event of run) if (event.type === "done") break;
  return output;
}

/** Where the model generates, in its square. */
export async function generatedMask(): Promise<Float32Array> {
  await using aligner = createFaceAligner({ resolution: RESOLUTION, workers: 1 });
  return aligner.mask;
}

/** The faces of an output and of its source in the model's square, as long as the source lasts. */
export async function* facePairs(clip: GeneratedClip, output: string): AsyncGenerator<FacePair> {
  await using aligner = createFaceAligner({ resolution: RESOLUTION });
  const videos = createFfmpegVideoSource();
  await using made = await videos.open(output);
  await using original = await videos.open(clip.video);
  const transform = aligner.createTransform();
  for await (const [frame, sourceFrame] of together(made, original)) {
    const points = clip.points[sourceFrame.index];
    if (points === undefined) return;
    const matrix = transform.next(points);
    const squareOf = async (picture: VideoFrame): Promise<Uint8Array> => {
      const region = aligner.region(matrix, picture.width, picture.height);
      const background = { x: region.x, y: region.y, ...(await picture.toRgb(region)) };
      return (await aligner.align(background, matrix)).pixels;
    };
    yield { generated: await squareOf(frame), source: await squareOf(sourceFrame) };
  }
}

/** Frames side by side until one of the videos ends, disposed when the next are asked for. */
async function* together(
  first: VideoReader,
  second: VideoReader,
): AsyncGenerator<readonly [VideoFrame, VideoFrame]> {
  const others = second.frames()[Symbol.asyncIterator]();
  try {
    for await (const decoded of first.frames()) {
      using frame = decoded;
      const next = await others.next();
      if (next.done === true) return;
      using other = next.value;
      yield [frame, other];
    }
  } finally {
    await others.return?.();
  }
}
