/** Faces of a video over time: followed, smoothed, and chosen, ahead of whoever asks for them. */
import { LatentSyncError } from "../errors.ts";
import type { AlignmentPoints, FaceDetector } from "../face.ts";
import type { Rectangle } from "../image.ts";
import type { Tracer } from "../trace.ts";
import type { VideoReader } from "../video.ts";
import { scanFaces } from "./face-scan.ts";
import type { FaceSelection } from "./face-selection.ts";
import { FaceTracker } from "./face-tracker.ts";
import { inShots } from "./shots.ts";
import { LOOK_AHEAD_SECONDS, TrackChoice } from "./track-choice.ts";
import { smoothedValues, smoothingRadius } from "./track-smoothing.ts";
import type { Tracklet } from "./tracklet.ts";

export type { FaceSelection } from "./face-selection.ts";

/** A face that is to be synced, in a frame. */
export interface TimelineFace {
  /** Number of the person, from 1 in the order of appearance: the same in every frame. */
  readonly track: number;
  /** Smoothed over the frames around, not rounded. */
  readonly points: AlignmentPoints;
  readonly box: Rectangle;
  /** As `Face.mouthOpening`, if the detector tells it. */
  readonly mouthOpening: number | undefined;
  /** Counted from 0; a cut begins another. */
  readonly shot: number;
}

export interface FaceTimeline extends AsyncDisposable {
  /**
   * Faces of a source frame that are to be synced, in the order of their tracks; none: the frame
   * passes through. Asked for in order at first; later in any order.
   * @throws LatentSyncError or the signal's reason, as reader and detector; `no_face` if the video
   *   has no person of the number that is selected; `unsupported` if the detector tells no
   *   appearances, which the selection needs.
   */
  at(index: number): Promise<readonly TimelineFace[]>;
  /** Frames of the video, or those that matter if these are fewer. Waits until all were looked at. */
  frameCount(): Promise<number>;
}

export interface FaceTimelineOptions {
  /** For the timeline alone; it stays the caller's to dispose, after the timeline. */
  readonly reader: VideoReader;
  readonly detector: FaceDetector;
  readonly selection: FaceSelection;
  /** Frames that matter: later ones are not looked at. */
  readonly end: number;
  readonly tracer?: Tracer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks for the faces of a video, once and ahead of those who ask for them, by ten seconds or what a
 * decision needs. Holds no frames, and 44 bytes for a face in a frame.
 */
export function trackFaces(options: FaceTimelineOptions): FaceTimeline {
  return new FollowedFaces(options);
}

class FollowedFaces implements FaceTimeline {
  readonly #options: FaceTimelineOptions;
  readonly #tracker: FaceTracker;
  readonly #choice: TrackChoice;
  readonly #radius: number;
  /** Of each frame that is decided. Frames with the same faces share one array. */
  readonly #shown: (readonly Tracklet[])[] = [];
  readonly #stop = new AbortController();
  readonly #scanning: Promise<void>;
  #change = Promise.withResolvers<void>();
  /** The last frame that was asked for. */
  #asked = 0;
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(options: FaceTimelineOptions) {
    this.#options = options;
    const { selection } = options;
    const { width, height, framesPerSecond } = options.reader.info;
    this.#tracker = new FaceTracker(framesPerSecond);
    this.#radius = smoothingRadius(framesPerSecond);
    this.#choice = new TrackChoice({
      ...{ selection, width, height, framesPerSecond },
      tracker: this.#tracker,
      margin: this.#radius,
    });
    this.#scanning = this.#scan();
  }

  async at(index: number): Promise<readonly TimelineFace[]> {
    await this.#until(index);
    if (this.#ended) this.#checkNumber();
    return (this.#shown[index] ?? []).map((tracklet) => this.#faceOf(tracklet, index));
  }

  async frameCount(): Promise<number> {
    await this.#until(Number.POSITIVE_INFINITY);
    return this.#shown.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new LatentSyncError("disposed", "The face timeline was disposed."));
    this.#tell();
    await this.#scanning;
  }

  /** Waits until a frame is decided, or the video has ended. */
  async #until(index: number): Promise<void> {
    this.#asked = Math.max(this.#asked, index);
    this.#tell();
    while (this.#shown.length <= index && !this.#ended && this.#failure === undefined) {
      await this.#change.promise;
    }
    this.#stop.signal.throwIfAborted();
    if (this.#shown.length <= index && this.#failure !== undefined) throw this.#failure.reason;
  }

  async #scan(): Promise<void> {
    const { reader, signal } = this.#options;
    const stop = this.#stop.signal;
    const { framesPerSecond } = reader.info;
    try {
      const scanned = scanFaces({
        ...this.#options,
        tracer: this.#options.tracer,
        signal: signal === undefined ? stop : AbortSignal.any([signal, stop]),
      });
      for await (const frame of inShots(scanned, framesPerSecond)) {
        this.#tracker.add(frame);
        this.#choice.see(frame.index, frame.timeSeconds);
        this.#settle();
        await this.#untilWanted(Math.round(LOOK_AHEAD_SECONDS * framesPerSecond));
        if (stop.aborted) return;
      }
      this.#tracker.end();
      this.#choice.complete = true;
      this.#settle();
      this.#ended = true;
    } catch (error) {
      this.#failure = { reason: signal?.aborted === true ? signal.reason : error };
    } finally {
      this.#tell();
    }
  }

  /** Decides on as many frames as can be. */
  #settle(): void {
    const before = this.#shown.length;
    for (;;) {
      const faces = this.#choice.at(this.#shown.length);
      if (faces === undefined) break;
      const last = this.#shown.at(-1);
      const isSame = last?.length === faces.length && last.every((face, at) => face === faces[at]);
      this.#shown.push(isSame ? last : faces);
    }
    if (this.#shown.length === before) return;
    this.#tracker.forget(this.#shown.length);
    this.#tell();
  }

  /** Pauses while enough is known ahead of what was asked for. */
  async #untilWanted(lookAhead: number): Promise<void> {
    while (
      !this.#stop.signal.aborted &&
      this.#shown.length > this.#asked &&
      this.#tracker.frameCount > this.#asked + lookAhead
    ) {
      await this.#change.promise;
    }
  }

  #tell(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  #checkNumber(): void {
    const { selection } = this.#options;
    const { count } = this.#tracker.people;
    if (selection.kind !== "number" || (selection.number >= 1 && selection.number <= count)) return;
    throw new LatentSyncError(
      "no_face",
      `Face ${selection.number} was chosen, but the video shows ${count === 0 ? "no face" : `${count}`}.`,
      { hint: "List them with `latentsync-ts faces VIDEO`." },
    );
  }

  #faceOf(tracklet: Tracklet, frame: number): TimelineFace {
    const values = smoothedValues(tracklet, frame, this.#radius);
    const at = (index: number): number => values[index] as number;
    const mouth = tracklet.mouthAt(frame);
    return {
      track: tracklet.person?.number ?? 0,
      points: [
        [at(0), at(1)],
        [at(2), at(3)],
        [at(4), at(5)],
      ],
      box: { x: at(6), y: at(7), width: at(8), height: at(9) },
      mouthOpening: Number.isNaN(mouth) ? undefined : mouth,
      shot: tracklet.shot,
    };
  }
}
