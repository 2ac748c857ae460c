/** Generated pictures and faces over time, for the tests of the face timeline. */
import type { Face, FaceDetector } from "../src/face.ts";
import {
  type FaceSelection,
  type FaceTimeline,
  type TimelineFace,
  trackFaces,
} from "../src/faces/face-timeline.ts";
import type { VideoFrame, VideoReader } from "../src/video.ts";

const WIDTH = 640;
const HEIGHT = 360;
const FRAMES_PER_SECOND = 25;

/** What a frame shows. */
export interface Moment {
  readonly faces: readonly Face[];
  /** Seed of the background; another one is another place. `black` shows nothing. */
  readonly scene?: number | "black";
  /** The background itself, `[rows, columns]`, in place of a scene. */
  readonly greys?: (columns: number, rows: number) => Uint8Array;
}

export interface FaceOptions {
  readonly x: number;
  readonly y?: number;
  readonly size?: number;
  readonly mouthOpening?: number;
  readonly appearance?: Float32Array;
}

/** A face around a centre, in pixels. */
export function faceAt({ x, y = 180, size = 100, ...rest }: FaceOptions): Face {
  return {
    box: { x: x - size / 2, y: y - size / 2, width: size, height: size },
    score: 1,
    points: [
      [x - size / 5, y - size / 5],
      [x + size / 5, y - size / 5],
      [x, y + size / 10],
    ],
    ...rest,
  };
}

/** Unit vectors, of which equal numbers are one person. */
export function appearanceOf(person: number): Float32Array {
  return Float32Array.from({ length: 8 }, (_, index) => (index === person ? 1 : 0));
}

/** Numbers from 0 to 1, the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 13), 3266489917);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** What a scene looks like. */
export function greysOf(scene: number | "black", columns: number, rows: number): Uint8Array {
  if (scene === "black") return new Uint8Array(columns * rows);
  const next = random(scene + 1);
  return Uint8Array.from({ length: columns * rows }, () => 40 + 180 * next());
}

/** Counts frames that are open, and how often the video was begun. */
export class MomentVideo implements VideoReader, FaceDetector {
  readonly info: VideoReader["info"];
  readonly #momentAt: (index: number) => Moment;
  openFrames = 0;
  iterations = 0;
  /** Frames that were looked at. */
  detected = 0;

  constructor(frameCount: number, momentAt: (index: number) => Moment) {
    this.#momentAt = momentAt;
    this.info = {
      width: WIDTH,
      height: HEIGHT,
      framesPerSecond: FRAMES_PER_SECOND,
      estimatedFrameCount: frameCount,
      description: "moments",
    };
  }

  async *frames({ start = 0, end = Number.POSITIVE_INFINITY } = {}): AsyncGenerator<VideoFrame> {
    this.iterations += 1;
    const last = Math.min(end, this.info.estimatedFrameCount ?? 0);
    for (let index = start; index < last; index++) yield this.#frame(index);
  }

  #frame(index: number): VideoFrame {
    const { scene = 0, greys } = this.#momentAt(index);
    this.openFrames += 1;
    return {
      index,
      timeSeconds: index / FRAMES_PER_SECOND,
      width: WIDTH,
      height: HEIGHT,
      greys: greys ?? ((columns, rows) => greysOf(scene, columns, rows)),
      toRgb: () => Promise.reject(new Error("Nobody needs the colours.")),
      clone: () => this.#frame(index),
      [Symbol.dispose]: () => {
        this.openFrames -= 1;
      },
    };
  }

  async detect(_: unknown, index: number): Promise<readonly Face[]> {
    this.detected += 1;
    return this.#momentAt(index).faces;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export function timelineOf(
  video: MomentVideo,
  selection: FaceSelection = { kind: "all" },
): FaceTimeline {
  return trackFaces({ reader: video, detector: video, selection, end: Number.POSITIVE_INFINITY });
}

/** The faces of every frame, asked for in order. */
export async function follow(
  frameCount: number,
  momentAt: (index: number) => Moment,
  selection?: FaceSelection,
): Promise<(readonly TimelineFace[])[]> {
  await using timeline = timelineOf(new MomentVideo(frameCount, momentAt), selection);
  const frames: (readonly TimelineFace[])[] = [];
  for (let index = 0; index < frameCount; index++) frames.push(await timeline.at(index));
  return frames;
}

/** The tracks of every frame, as text: `1`, `1 2`, or nothing. */
export function tracksOf(frames: readonly (readonly TimelineFace[])[]): string[] {
  return frames.map((faces) => faces.map(({ track }) => track).join(" "));
}

/** `["1", "1", ""]` as `1*2 -*1`. */
export function runsOf(frames: readonly (readonly TimelineFace[])[]): string {
  const runs: { readonly text: string; count: number }[] = [];
  for (const text of tracksOf(frames)) {
    const last = runs.at(-1);
    if (last?.text === text) last.count += 1;
    else runs.push({ text, count: 1 });
  }
  return runs.map(({ text, count }) => `${text === "" ? "-" : text}*${count}`).join(", ");
}
