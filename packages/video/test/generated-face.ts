/** A generated person in a picture, placed as a test needs it. */
import type { AlignmentPoints, Point, RgbImage } from "@ls/core";
import {
  alignmentPoints,
  createPerson,
  type HeadPlacement,
  type HeadState,
  poseAt,
  renderHead,
  restingPose,
} from "@ls/synthetic";

export interface FaceOptions {
  /** Size of the picture in pixels. */
  readonly width: number;
  readonly height: number;
  /** Seconds: the head sways and the eyes blink with it. Default: at rest. */
  readonly time?: number;
  /** 0 = closed, 1 = wide open. Default 0. */
  readonly mouthOpening?: number;
  /** From forehead to chin in pixels; default: 0.45 of the picture's shorter side. */
  readonly faceHeight?: number;
  /** Middle of the face at rest, in pixels; default: the picture's middle, a little above. */
  readonly center?: Point;
  /** Tilt of the head, clockwise, in degrees. Default 0. */
  readonly tiltDegrees?: number;
}

const PERSON = createPerson(3);

function stateOf({ time, mouthOpening = 0 }: FaceOptions): HeadState {
  const pose = time === undefined ? restingPose : poseAt(PERSON, time);
  return {
    person: PERSON,
    pose,
    mouth: { opening: mouthOpening, spread: 0, teeth: 0.3, tongue: 0 },
  };
}

function placementOf(options: FaceOptions): HeadPlacement {
  const { width, height, tiltDegrees = 0 } = options;
  const scale = options.faceHeight ?? 0.45 * Math.min(width, height);
  const [x, y] = options.center ?? [width / 2, height * 0.45];
  const tilt = (tiltDegrees * Math.PI) / 180;
  const [cosine, sine] = [scale * Math.cos(tilt), scale * Math.sin(tilt)];
  return [cosine, sine, -sine, cosine, x, y];
}

export async function renderFace(options: FaceOptions): Promise<RgbImage> {
  const { width, height } = options;
  return renderHead(stateOf(options), { width, height, placement: placementOf(options) });
}

/** Where the alignment points of {@link renderFace} are, in pixels. */
export function facePoints(options: FaceOptions): AlignmentPoints {
  return alignmentPoints(stateOf(options), placementOf(options));
}
