/** The face itself: its outline, which the jaw changes, its shading, ears and beard. */
import type { Point } from "@ls/core";
import { mix } from "./colours.ts";
import { type FeatureFrame, type HeadPose, turnedFrame } from "./head-pose.ts";
import { closedCurve, mirrored, svg } from "./markup.ts";
import type { Person } from "./person.ts";

/** How far the chin goes down with the mouth wide open, in face heights. */
const JAW_DROP = 0.06;

/** How far the chin is below its place at rest. */
export function jawDrop(opening: number): number {
  return JAW_DROP * opening;
}

function outline({ face }: Person, drop: number): readonly Point[] {
  const width = face.halfWidth;
  const jaw = width * face.jaw;
  const fullness = width * (0.955 + 0.035 * face.cheeks);
  return mirrored([
    [0, -0.5],
    [width * 0.58, -0.445],
    [width * 0.92, -0.27],
    [width, -0.06],
    [fullness, 0.12],
    [jaw, 0.29 + 0.45 * drop],
    [(jaw + face.chinHalfWidth) * 0.53, 0.415 + 0.85 * drop],
    [face.chinHalfWidth, 0.482 + drop],
    [0, 0.5 + drop],
  ]);
}

/** Face without features: skin, cheeks, `beard`, and over them the shade of one side. */
export function faceMarkup(person: Person, pose: HeadPose, drop: number, beard: string): string {
  const path = closedCurve(outline(person, drop));
  const shift = turnedFrame(pose, 0, 0, 0.28);
  const cheekX = person.face.halfWidth * 0.56;
  const cheek = (x: number): string =>
    svg`<ellipse cx="${x + shift.x}" cy="${0.12 + shift.y}" rx="0.12" ry="0.095" fill="url(#flush)"/>`;
  return (
    svg`<path d="${path}" fill="url(#skin)"/>` +
    cheek(-cheekX) +
    cheek(cheekX) +
    svg`<ellipse cx="${shift.x}" cy="${-0.32 + shift.y}" rx="0.2" ry="0.1" fill="url(#glow)"/>` +
    svg`<ellipse cx="${shift.x * 0.9}" cy="${0.425 + shift.y + drop}" rx="0.085" ry="0.05" fill="url(#glow)"/>` +
    beard +
    svg`<path d="${path}" fill="url(#side)"/>`
  );
}

/** Ears, which turn away as the face turns. */
export function earsMarkup({ ears, face, skin }: Person, pose: HeadPose): string {
  const shift = turnedFrame(pose, 0, 0, -0.06);
  const middle = face.halfWidth + 0.008;
  const pair = (inwards: number, radiusX: number, radiusY: number): string => {
    const [rx, ry] = [radiusX * ears.size, radiusY * ears.size];
    const ear = (x: number): string =>
      svg`M${x + shift.x - rx} ${0.005 + shift.y}a${rx} ${ry} 0 0 0 ${2 * rx} 0a${rx} ${ry} 0 0 0 ${-2 * rx} 0`;
    return ear(inwards - middle) + ear(middle - inwards);
  };
  return (
    svg`<path d="${pair(0, 0.05, 0.1)}" fill="${mix(skin.base, skin.flush, 0.35)}"/>` +
    svg`<path d="${pair(0.008, 0.026, 0.064)}" fill="${skin.shadow}" fill-opacity="0.5"/>`
  );
}

/** The beard below the mouth's lips and the moustache above them; the lips stay free. */
export function beardMarkup(
  person: Person,
  mouth: FeatureFrame,
  drop: number,
  cornerX: number,
): string {
  const { style, colour } = person.beard;
  switch (style) {
    case "none":
      return "";
    case "stubble":
      return (
        beardPath(person, mouth, drop, cornerX, colour, 0.3) +
        moustachePath(person, mouth, cornerX, colour, 0.28)
      );
    case "full":
      return (
        beardPath(person, mouth, drop, cornerX, colour, 0.94) +
        moustachePath(person, mouth, cornerX, colour, 0.94)
      );
    case "moustache":
      return moustachePath(person, mouth, cornerX, colour, 0.92);
    case "goatee":
      return (
        moustachePath(person, mouth, cornerX, colour, 0.85) +
        goateePath(mouth, drop, cornerX, colour)
      );
  }
}

function beardPath(
  { face }: Person,
  mouth: FeatureFrame,
  drop: number,
  cornerX: number,
  colour: string,
  opacity: number,
): string {
  const width = face.halfWidth;
  const jaw = width * face.jaw;
  const edge = closedCurve([
    [-width * 0.985, 0.02],
    [-width * 0.985, 0.14],
    [-jaw * 1.02, 0.3 + 0.45 * drop],
    [-(jaw + face.chinHalfWidth) * 0.54, 0.43 + 0.85 * drop],
    [-face.chinHalfWidth, 0.505 + drop],
    [0, 0.525 + drop],
    [face.chinHalfWidth, 0.505 + drop],
    [(jaw + face.chinHalfWidth) * 0.54, 0.43 + 0.85 * drop],
    [jaw * 1.02, 0.3 + 0.45 * drop],
    [width * 0.985, 0.14],
    [width * 0.985, 0.02],
    [width * 0.9, 0.12],
    [width * 0.76, 0.22],
    [mouth.x + cornerX + 0.05, mouth.y - 0.035],
    [mouth.x + cornerX * 0.7, mouth.y - 0.015],
    [mouth.x, mouth.y],
    [mouth.x - cornerX * 0.7, mouth.y - 0.015],
    [mouth.x - cornerX - 0.05, mouth.y - 0.035],
    [-width * 0.76, 0.22],
    [-width * 0.9, 0.12],
  ]);
  return svg`<path d="${edge}" fill="${colour}" fill-opacity="${opacity}"/>`;
}

function moustachePath(
  person: Person,
  mouth: FeatureFrame,
  cornerX: number,
  colour: string,
  opacity: number,
): string {
  const top = mouth.y + (person.nose.y + 0.048 - person.mouth.y) * 0.7 - 0.01;
  const half = cornerX + 0.022;
  return svg`<path d="M${mouth.x - half} ${mouth.y + 0.012}C${mouth.x - half * 0.75} ${top} ${mouth.x - 0.05} ${top - 0.016} ${mouth.x} ${top - 0.004}C${mouth.x + 0.05} ${top - 0.016} ${mouth.x + half * 0.75} ${top} ${mouth.x + half} ${mouth.y + 0.012}Q${mouth.x} ${mouth.y - 0.02} ${mouth.x - half} ${mouth.y + 0.012}Z" fill="${colour}" fill-opacity="${opacity}"/>`;
}

function goateePath(mouth: FeatureFrame, drop: number, cornerX: number, colour: string): string {
  const half = Math.max(cornerX * 0.72, 0.07);
  const path = closedCurve([
    [mouth.x - half, mouth.y + 0.075 + drop],
    [mouth.x - half * 0.95, 0.46 + drop],
    [mouth.x * 0.7, 0.525 + drop],
    [mouth.x + half * 0.95, 0.46 + drop],
    [mouth.x + half, mouth.y + 0.075 + drop],
    [mouth.x, mouth.y + 0.085 + drop],
  ]);
  return svg`<path d="${path}" fill="${colour}" fill-opacity="0.85"/>`;
}
