/** Clips of talking heads in the model's aligned square, each drawn with two speeches' mouths. */
import { join } from "node:path";
import type { AffineMatrix, AlignmentPoints, Point } from "@ls/core";
import {
  alignmentPoints,
  applyCamera,
  type Articulation,
  createPerson,
  type HeadPlacement,
  poseAt,
  RandomNumbers,
  renderHead,
  restingArticulation,
} from "@ls/synthetic";
import { createFaceTransform, cropSize } from "@ls/video";
import { shardPath, writeNpy } from "./npy.ts";
import { FACES } from "./settings.ts";
import { STATES_PER_SECOND } from "./speech-shard.ts";

const { resolution, framesPerSecond, frames, mouths, peoplePerShard } = FACES;
/**
 * How far the default detector's points are from the drawing's, in face heights: measured over 40
 * people, between people and between the frames of one.
 */
const POINT_DEVIATIONS = { person: 0.004, frame: 0.004 } as const;

/** Follows the pipeline: from face to frame, to the crop, and to the square. */
function squarePlacement(
  [a, b, c, d, e, f]: HeadPlacement,
  [m0, m1, m2, m3, m4, m5]: AffineMatrix,
): HeadPlacement {
  const crop = cropSize(resolution);
  const sx = resolution / crop.width;
  const sy = resolution / crop.height;
  // SVG counts from a pixel's corner, the crop's matrix from its middle.
  const x = m2 + 0.5 - 0.5 * (m0 + m1);
  const y = m5 + 0.5 - 0.5 * (m3 + m4);
  return [
    sx * (m0 * a + m1 * b),
    sy * (m3 * a + m4 * b),
    sx * (m0 * c + m1 * d),
    sy * (m3 * c + m4 * d),
    sx * (m0 * e + m1 * f + x),
    sy * (m3 * e + m4 * f + y),
  ];
}

function bell(random: RandomNumbers): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Moves points as the detector would: by an error of the person, and one of the frame. */
function detectorErrors(
  random: RandomNumbers,
  faceHeight: number,
): (points: AlignmentPoints) => AlignmentPoints {
  const errors = Array.from({ length: 6 }, () => bell(random) * POINT_DEVIATIONS.person);
  const error = (index: number): number =>
    faceHeight * ((errors[index] as number) + bell(random) * POINT_DEVIATIONS.frame);
  const move = ([x, y]: Point, index: number): Point => [
    Math.round(x + error(2 * index)),
    Math.round(y + error(2 * index + 1)),
  ];
  return ([left, right, nose]) => [move(left, 0), move(right, 1), move(nose, 2)];
}

interface Mouth {
  readonly window: number;
  /** First video frame within the window. */
  readonly start: number;
  readonly articulations: readonly Articulation[];
}

function chooseMouth(random: RandomNumbers, windows: readonly Float32Array[]): Mouth {
  const window = Math.floor(random.next() * windows.length);
  const values = windows[window] as Float32Array;
  const step = STATES_PER_SECOND / framesPerSecond;
  const start = Math.floor(random.next() * (values.length / 4 / step - frames));
  const articulations = Array.from({ length: frames }, (_, index) => {
    const at = (start + index) * step * 4;
    const [opening = 0, spread = 0, teeth = 0, tongue = 0] = values.subarray(at, at + 4);
    return { opening, spread, teeth, tongue };
  });
  return { window, start, articulations };
}

/** `[mouths, frames, resolution, resolution, 3]` */
async function drawClip(seed: number, clipMouths: readonly Mouth[]): Promise<Uint8Array> {
  const random = new RandomNumbers(seed ^ 0x2545_f491);
  const person = createPerson(seed);
  const faceHeight = random.between(150, 420);
  const offset = random.between(0, 1);
  const frame: HeadPlacement = [faceHeight, 0, 0, faceHeight, 500 + offset, 500 + offset];
  const begin = random.between(0, 60);
  const camera = {
    exposure: random.between(-0.3, 0.12),
    softness: random.next() ** 2 * 1.2,
    noise: random.next() ** 2 * 4,
  };
  const transform = createFaceTransform(resolution);
  const misplace = detectorErrors(random, faceHeight);
  const size = resolution * resolution * 3;
  const pictures = new Uint8Array(mouths * frames * size);
  for (let index = 0; index < frames; index++) {
    const pose = poseAt(person, begin + index / framesPerSecond);
    const found = alignmentPoints({ person, pose, mouth: restingArticulation }, frame);
    const placement = squarePlacement(frame, transform.next(misplace(found)));
    const noiseSeed = Math.floor(random.next() * 2 ** 32);
    for (const [mouthIndex, mouth] of clipMouths.entries()) {
      const state = { person, pose, mouth: mouth.articulations[index] as Articulation };
      const view = { width: resolution, height: resolution, placement };
      const picture = applyCamera(await renderHead(state, view), { ...camera, seed: noiseSeed });
      pictures.set(picture.data, (mouthIndex * frames + index) * size);
    }
  }
  return pictures;
}

type FaceArray = "articulation" | "pictures" | "places";

function arrayPath(folder: string, shard: number, name: FaceArray): string {
  return shardPath(join(folder, "faces"), shard, name);
}

/** The file of a shard that is written last. */
export function faceShardPath(folder: string, shard: number): string {
  return arrayPath(folder, shard, "pictures");
}

export async function writeFaceShard(
  folder: string,
  shard: number,
  windows: readonly Float32Array[],
): Promise<void> {
  const shape = [peoplePerShard, mouths, frames];
  const clips: Uint8Array[] = [];
  const articulation = new Float32Array(peoplePerShard * mouths * frames * 4);
  const places = new Int32Array(peoplePerShard * mouths * 2);
  for (let index = 0; index < peoplePerShard; index++) {
    const person = shard * peoplePerShard + index;
    const random = new RandomNumbers(person ^ 0x9e37_79b9);
    const chosen = Array.from({ length: mouths }, () => chooseMouth(random, windows));
    for (const [mouthIndex, { window, start, articulations }] of chosen.entries()) {
      const at = index * mouths + mouthIndex;
      places.set([window, start], at * 2);
      for (const [frame, { opening, spread, teeth, tongue }] of articulations.entries()) {
        articulation.set([opening, spread, teeth, tongue], (at * frames + frame) * 4);
      }
    }
    clips.push(await drawClip(person, chosen));
  }
  const path = (name: FaceArray): string => arrayPath(folder, shard, name);
  await writeNpy(path("articulation"), articulation, [...shape, 4]);
  await writeNpy(path("places"), places, [peoplePerShard, mouths, 2]);
  await writeNpy(path("pictures"), Buffer.concat(clips), [...shape, resolution, resolution, 3]);
}
