/** The frames of a clip of a talking head. */
import { LatentSyncError, type RgbImage } from "@ls/core";
import type { Articulation } from "../articulation.ts";
import { type HeadPlacement, type HeadState, renderHead } from "./draw-head.ts";
import { poseAt } from "./head-pose.ts";
import type { Person } from "./person.ts";

const FRAMES_PER_SECOND = 25;
/** Height of the face and of its middle, of the frame's shorter side and its height. */
const FACE_SHARE = 0.46;
const MIDDLE_SHARE = 0.46;

export interface TalkingHeadOptions {
  readonly person: Person;
  /** Size of the frames in pixels. */
  readonly width: number;
  readonly height: number;
  /** What the mouth does at a time in the clip. */
  readonly articulationAt: (seconds: number) => Articulation;
}

/** The head of the frame at `index`. @throws LatentSyncError `invalid_argument` */
export function talkingHeadState(
  { person, articulationAt }: TalkingHeadOptions,
  index: number,
): HeadState {
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `Talking head: the index of a frame must be a whole number of 0 or more, got ${index}.`,
      { hint: "Count frames from 0." },
    );
  }
  const seconds = index / FRAMES_PER_SECOND;
  return { person, pose: poseAt(person, seconds), mouth: articulationAt(seconds) };
}

/** Where the head lies in a frame of this size. */
export function talkingHeadPlacement({
  width,
  height,
}: {
  readonly width: number;
  readonly height: number;
}): HeadPlacement {
  const scale = FACE_SHARE * Math.min(width, height);
  return [scale, 0, 0, scale, width / 2, MIDDLE_SHARE * height];
}

/**
 * One frame of the clip, at 25 frames a second.
 * @throws LatentSyncError `invalid_argument`
 */
export async function renderTalkingHead(
  options: TalkingHeadOptions,
  index: number,
): Promise<RgbImage> {
  const { width, height } = options;
  const view = { width, height, placement: talkingHeadPlacement(options) };
  return await renderHead(talkingHeadState(options, index), view);
}
