/** What a run makes of its footage: which faces, which frames, and how it treats them. */
import { LatentSyncError } from "./errors.ts";
import type { FaceSelection } from "./faces/face-timeline.ts";
import type { LoopMode } from "./pipeline/playback.ts";
import type { SilenceMode } from "./pipeline/speech-track.ts";

/** The faces that can be chosen by a word. */
export const FACE_CHOICES = ["speaker", "largest", "left", "right", "center", "all"] as const;
export const LOOP_MODES = ["pingpong", "loop", "freeze", "cut", "silence"] as const;
export const SILENCE_MODES = ["rest", "keep", "source"] as const;

export interface FootageOptions {
  /** Whose mouth is made to speak, if there are several faces. Default: who speaks in the source. */
  readonly face?: FaceSelection;
  /**
   * Whether faces are followed over time: cuts are noticed, gaps filled in, landmarks smoothed, and
   * nobody is mistaken for another. Default true, unless the detector's points are exact; false takes
   * the detector's first face of every frame by itself, as the official pipeline.
   */
  readonly followFaces?: boolean;
  /** What to do with frames that show no face. Default `pass`: they stay as they are. */
  readonly framesWithoutFace?: "pass" | "fail";
  /** What happens when speech and video are not equally long. Default `pingpong`. */
  readonly loop?: LoopMode;
  /** What the mouth does where nobody speaks. Default `rest`. */
  readonly silence?: SilenceMode;
  /**
   * Rate of the output. Default 25, as the model's; `source` keeps every frame of the source at its
   * time, and each shows the mouth of the model frame that is nearest.
   */
  readonly framesPerSecond?: 25 | "source";
  /** Part of the video, in seconds of its time; the speech begins with it. */
  readonly startSeconds?: number;
  readonly endSeconds?: number;
  /** Whether what covers a face stays on top, if the engine can tell. Default true. */
  readonly keepOcclusions?: boolean;
  /** Whether the colour of the new mouth is fitted to the frame's around it. Default true. */
  readonly matchColour?: boolean;
}

/** The options of {@link FootageOptions}, complete and checked. */
export interface FootageSettings {
  readonly face: FaceSelection;
  readonly followFaces: boolean;
  readonly requireFaces: boolean;
  readonly loop: LoopMode;
  readonly silence: SilenceMode;
  readonly framesPerSecond: 25 | "source";
  readonly startSeconds: number | undefined;
  readonly endSeconds: number | undefined;
  readonly keepOcclusions: boolean;
  readonly matchColour: boolean;
}

/** @throws LatentSyncError `invalid_argument` for a time that cannot be, or a place outside. */
export function resolveFootage(options: FootageOptions): FootageSettings {
  const { face = { kind: "speaker" }, startSeconds, endSeconds } = options;
  for (const [name, seconds] of Object.entries({ startSeconds, endSeconds })) {
    if (seconds === undefined || (seconds >= 0 && Number.isFinite(seconds))) continue;
    throw new LatentSyncError(
      "invalid_argument",
      `${name} must be a number of seconds from 0 on, but is ${seconds}.`,
    );
  }
  if (endSeconds !== undefined && endSeconds <= (startSeconds ?? 0)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The part of the video must end after its start, but goes from ${startSeconds ?? 0} s to ${endSeconds} s.`,
      { hint: "Give a later end, or none." },
    );
  }
  if (face.kind === "at" && ![face.x, face.y].every((value) => value >= 0 && value <= 1)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The place of a face must have x and y from 0 to 1, but is ${face.x}, ${face.y}.`,
      { hint: "Divide pixels by the frame's width and height." },
    );
  }
  return {
    face,
    startSeconds,
    endSeconds,
    followFaces: options.followFaces ?? true,
    requireFaces: options.framesWithoutFace === "fail",
    loop: options.loop ?? "pingpong",
    silence: options.silence ?? "rest",
    framesPerSecond: options.framesPerSecond ?? 25,
    keepOcclusions: options.keepOcclusions ?? true,
    matchColour: options.matchColour ?? true,
  };
}
