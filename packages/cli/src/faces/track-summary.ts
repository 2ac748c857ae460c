/** The people of a video: when, where and how large they are seen, and how much of it they speak. */
import {
  type FaceTimeline,
  type Rectangle,
  speakingSeconds,
  type TimelineFace,
  type VideoInfo,
} from "@ls/core";

/** Frames of one shot that show a person, one after another. */
export interface TrackInterval {
  readonly shot: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

export interface TrackSummary {
  /** For `--face`. */
  readonly number: number;
  /** Frames that show the face. */
  readonly frames: number;
  readonly intervals: readonly TrackInterval[];
  /** Mean box in pixels of the frame. */
  readonly box: Rectangle;
  /** Share of the frames in which the mouth moves as in speech; `null` if that is not known. */
  readonly speakingShare: number | null;
}

export interface TrackSample {
  /** The frame's number. */
  readonly index: number;
  readonly seconds: number;
  readonly box: Rectangle;
}

/** A track while it is read. */
class TrackReading {
  readonly number: number;
  readonly #framesPerSecond: number;
  /** First and last frame of every interval, and its shot. */
  readonly #intervals: { readonly shot: number; readonly first: number; last: number }[] = [];
  readonly #sum = [0, 0, 0, 0];
  #openings: number[] = [];
  #knownFrames = 0;
  #speakingFrames = 0;
  frames = 0;

  constructor(number: number, framesPerSecond: number) {
    this.number = number;
    this.#framesPerSecond = framesPerSecond;
  }

  add(index: number, { box, shot, mouthOpening }: TimelineFace): void {
    const interval = this.#intervals.at(-1);
    if (interval?.shot === shot && interval.last === index - 1) interval.last = index;
    else {
      this.finish();
      this.#intervals.push({ shot, first: index, last: index });
    }
    for (const [at, value] of [box.x, box.y, box.width, box.height].entries()) {
      this.#sum[at] = (this.#sum[at] as number) + value;
    }
    this.frames += 1;
    if (mouthOpening !== undefined) this.#openings.push(mouthOpening);
    if (this.#openings.length >= MOST_OPENINGS) this.finish();
  }

  /** Measures the mouth of what was read last. */
  finish(): void {
    const rate = this.#framesPerSecond;
    this.#knownFrames += this.#openings.length;
    this.#speakingFrames += speakingSeconds(this.#openings, rate) * rate;
    this.#openings = [];
  }

  /** The frame at a part of those that show the face, 0 to 1. */
  frameAt(part: number): number {
    let left = Math.min(this.frames - 1, Math.floor(part * this.frames));
    for (const { first, last } of this.#intervals) {
      if (left <= last - first) return first + left;
      left -= last - first + 1;
    }
    return this.#intervals.at(-1)?.last ?? 0;
  }

  get summary(): TrackSummary {
    const rate = this.#framesPerSecond;
    const [x, y, width, height] = this.#sum.map((value) => value / this.frames);
    return {
      number: this.number,
      frames: this.frames,
      intervals: this.#intervals.map(({ shot, first, last }) => ({
        shot,
        startSeconds: first / rate,
        endSeconds: (last + 1) / rate,
      })),
      box: { x, y, width, height } as Rectangle,
      speakingShare: this.#knownFrames === 0 ? null : this.#speakingFrames / this.#knownFrames,
    };
  }
}

/** Openings that are measured at once: a minute at 25 frames a second. */
const MOST_OPENINGS = 1500;

export interface VideoFaces {
  readonly frameCount: number;
  readonly tracks: readonly TrackSummary[];
  /** Moments of each track, spread over the frames that show it. */
  readonly samples: ReadonlyMap<number, readonly TrackSample[]>;
}

export interface ReadFacesOptions {
  /** Of all faces. */
  readonly timeline: FaceTimeline;
  readonly info: Pick<VideoInfo, "framesPerSecond">;
  /** Moments per track. */
  readonly sampleCount: number;
}

/** Reads a timeline to its end. */
export async function readFaces(options: ReadFacesOptions): Promise<VideoFaces> {
  const { timeline, info, sampleCount } = options;
  const readings = new Map<number, TrackReading>();
  const frameCount = await timeline.frameCount();
  for (let index = 0; index < frameCount; index++) {
    for (const face of await timeline.at(index)) {
      const reading =
        readings.get(face.track) ?? new TrackReading(face.track, info.framesPerSecond);
      readings.set(face.track, reading);
      reading.add(index, face);
    }
  }
  const ordered = [...readings.values()].toSorted((a, b) => a.number - b.number);
  const samples = new Map<number, readonly TrackSample[]>();
  for (const reading of ordered) {
    reading.finish();
    const parts = Array.from({ length: sampleCount }, (_, place) => (place + 0.5) / sampleCount);
    const indexes = [...new Set(parts.map((part) => reading.frameAt(part)))];
    samples.set(
      reading.number,
      await Promise.all(indexes.map((index) => sampleAt(timeline, reading.number, index, info))),
    );
  }
  return { frameCount, tracks: ordered.map(({ summary }) => summary), samples };
}

async function sampleAt(
  timeline: FaceTimeline,
  track: number,
  index: number,
  { framesPerSecond }: Pick<VideoInfo, "framesPerSecond">,
): Promise<TrackSample> {
  const faces = await timeline.at(index);
  const { box } = faces.find((face) => face.track === track) as TimelineFace;
  return { index, seconds: index / framesPerSecond, box };
}
