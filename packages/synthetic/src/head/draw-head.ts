/** A talking head as an SVG picture, drawn in units of the face's height. */
import { LatentSyncError, type RgbImage } from "@ls/core";
import sharp from "sharp";
import type { Articulation } from "../articulation.ts";
import { beardMarkup, earsMarkup, faceMarkup, jawDrop } from "./face-outline.ts";
import {
  browMarkup,
  eyeballGradients,
  eyeMarkup,
  glassMarkup,
  noseMarkup,
  socketMarkup,
} from "./features.ts";
import { backHairMarkup, frontHairMarkup } from "./hair.ts";
import { type FeatureFrame, type HeadPose, turnedFrame } from "./head-pose.ts";
import { svg } from "./markup.ts";
import { foldsMarkup, mouthMarkup, mouthShape } from "./mouth.ts";
import type { Person } from "./person.ts";
import { backgroundMarkup, clothesMarkup, gradients, neckMarkup } from "./scene.ts";

/** Who is in a picture, how the head is held and what the mouth does. */
export interface HeadState {
  readonly person: Person;
  readonly pose: HeadPose;
  readonly mouth: Articulation;
}

/**
 * Where face coordinates land in the picture: SVG's matrix, `x' = a*x + c*y + e`,
 * `y' = b*x + d*y + f`, in pixels from the picture's top left corner. The unit of face coordinates
 * is the height of the face from forehead to chin, their origin the middle of the face at rest.
 */
export type HeadPlacement = readonly [
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
];

export interface HeadView {
  /** Size of the picture in pixels. */
  readonly width: number;
  readonly height: number;
  readonly placement: HeadPlacement;
}

/** Depths in front of the head's axis. */
const EYE_DEPTH = 0.3;
export const BROW_DEPTH = 0.31;
export const NOSE_DEPTH = 0.4;
const MOUTH_DEPTH = 0.33;
const FRONT_HAIR_DEPTH = 0.06;
const BACK_HAIR_DEPTH = -0.08;

const LARGEST_SIDE = 8192;

/** What no pose changes. */
interface PersonMarkup {
  readonly gradients: string;
  readonly background: string;
  readonly clothes: string;
  readonly backHair: string;
  readonly socket: string;
  readonly brow: string;
  readonly nose: string;
  readonly glasses: readonly [left: string, right: string];
}

const markupOfPerson = new WeakMap<Person, PersonMarkup>();

function personMarkup(person: Person): PersonMarkup {
  const known = markupOfPerson.get(person);
  if (known !== undefined) return known;
  const markup = {
    gradients: gradients(person),
    background: backgroundMarkup(person),
    clothes: clothesMarkup(person),
    backHair: backHairMarkup(person),
    socket: socketMarkup(person),
    brow: browMarkup(person),
    nose: noseMarkup(person),
    glasses: [glassMarkup(person, -1), glassMarkup(person, 1)],
  } as const;
  markupOfPerson.set(person, markup);
  return markup;
}

/**
 * The whole picture as SVG.
 * @throws LatentSyncError `invalid_argument`
 */
export function drawHead(state: HeadState, view: HeadView): string {
  checkView(view);
  checkState(state);
  const { person, pose, mouth } = state;
  const fixed = personMarkup(person);
  const drop = jawDrop(mouth.opening);
  const { width, height, placement } = view;
  return [
    svg`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">`,
    `<defs>${fixed.gradients}${eyeballGradients(person, pose.gaze)}</defs>`,
    `<g transform="matrix(${placement.join(" ")})">`,
    fixed.background,
    headGroup(pose, moved(turnedFrame(pose, 0, 0, BACK_HAIR_DEPTH), fixed.backHair)),
    neckMarkup(person, pose, drop),
    `<g transform="translate(0 -0.06)">${fixed.clothes}</g>`,
    headGroup(pose, headMarkup(state, fixed, drop)),
    `</g></svg>`,
  ].join("");
}

/**
 * {@link drawHead} in pixels.
 * @throws LatentSyncError `invalid_argument`
 */
export async function renderHead(state: HeadState, view: HeadView): Promise<RgbImage> {
  const { data, info } = await sharp(Buffer.from(drawHead(state, view)))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

function headGroup({ x, y, rollDegrees }: HeadPose, content: string): string {
  return svg`<g transform="translate(${x} ${y}) rotate(${rollDegrees})">${content}</g>`;
}

function headMarkup({ person, pose, mouth }: HeadState, fixed: PersonMarkup, drop: number): string {
  const shape = mouthShape(person, mouth);
  const mouthFrame = turnedFrame(pose, 0, person.mouth.y, MOUTH_DEPTH);
  const beard = beardMarkup(person, mouthFrame, drop, shape.outerHalf);
  return [
    earsMarkup(person, pose),
    faceMarkup(person, pose, drop, beard),
    moved(mouthFrame, foldsMarkup(person, shape, mouth)),
    moved(mouthFrame, mouthMarkup(person, shape, mouth)),
    side(-1, person, pose, fixed),
    side(1, person, pose, fixed),
    moved(turnedFrame(pose, 0, 0, NOSE_DEPTH), fixed.nose),
    moved(turnedFrame(pose, 0, 0, FRONT_HAIR_DEPTH), frontHairMarkup(person, drop)),
    spectacles(person, pose, fixed),
  ].join("");
}

/** Eye and brow of one side of the picture. */
function side(direction: -1 | 1, person: Person, pose: HeadPose, fixed: PersonMarkup): string {
  const { eyes, brows } = person;
  const eyeFrame = turnedFrame(pose, direction * eyes.x, eyes.y, EYE_DEPTH);
  const browFrame = turnedFrame(pose, direction * brows.x, brows.y, BROW_DEPTH);
  const eye = fixed.socket + eyeMarkup(person, direction, pose.blink, pose.gaze);
  return moved(eyeFrame, eye, direction) + moved(browFrame, fixed.brow, direction);
}

function spectacles({ eyes, glasses }: Person, pose: HeadPose, fixed: PersonMarkup): string {
  if (glasses.style === "none") return "";
  const at = (direction: -1 | 1): FeatureFrame =>
    turnedFrame(pose, direction * eyes.x, eyes.y, EYE_DEPTH);
  return moved(at(-1), fixed.glasses[0], -1) + moved(at(1), fixed.glasses[1]);
}

/** Markup in a feature's frame, mirrored where `direction` is -1. */
function moved(frame: FeatureFrame, content: string, direction: -1 | 1 = 1): string {
  if (content === "") return "";
  const { x, y, scaleX, scaleY } = frame;
  return svg`<g transform="translate(${x} ${y}) scale(${direction * scaleX} ${scaleY})">${content}</g>`;
}

/** @throws LatentSyncError `invalid_argument` */
export function checkPlacement(placement: HeadPlacement): void {
  const [a, b, c, d] = placement;
  const usable = placement.length === 6 && placement.every(Number.isFinite) && a * d - b * c !== 0;
  if (usable) return;
  throw new LatentSyncError(
    "invalid_argument",
    `Drawn head: placement must be six finite numbers of a matrix that can be inverted, got [${placement.join(", ")}].`,
    { hint: "Pass [scale, 0, 0, scale, middleX, middleY] with the face's height as scale." },
  );
}

function checkView({ width, height, placement }: HeadView): void {
  for (const [name, value] of Object.entries({ width, height })) {
    if (Number.isInteger(value) && value >= 1 && value <= LARGEST_SIDE) continue;
    throw new LatentSyncError(
      "invalid_argument",
      `Drawn head: ${name} must be a whole number from 1 to ${LARGEST_SIDE}, got ${value}.`,
      { hint: "Pass the size of the picture in pixels." },
    );
  }
  checkPlacement(placement);
}

function checkState({ pose, mouth }: HeadState): void {
  const values = {
    "mouth.opening": [mouth.opening, 0],
    "mouth.spread": [mouth.spread, -1],
    "mouth.teeth": [mouth.teeth, 0],
    "mouth.tongue": [mouth.tongue, 0],
    "pose.yaw": [pose.yaw, -1],
    "pose.pitch": [pose.pitch, -1],
    "pose.blink": [pose.blink, 0],
    "pose.gaze": [pose.gaze, -1],
  } as const;
  for (const [name, [value, low]] of Object.entries(values)) {
    if (value >= low && value <= 1) continue;
    throw new LatentSyncError(
      "invalid_argument",
      `Drawn head: ${name} must be from ${low} to 1, got ${value}.`,
      { hint: "Clamp the value to its range." },
    );
  }
}
