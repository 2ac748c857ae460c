/** Eyes, brows, nose and glasses: markup around each feature's own middle. */
import { mix, shaded } from "./colours.ts";
import { svg } from "./markup.ts";
import type { Person } from "./person.ts";

/** Colours of the eyeball as gradients around the iris, one for each eye. */
export function eyeballGradients({ eyes }: Person, gaze: number): string {
  const stops = [
    [0, "#0d0a09"],
    [0.4, "#0d0a09"],
    [0.5, mix(eyes.iris, "#ffffff", 0.2)],
    [0.8, eyes.iris],
    [0.93, shaded(eyes.iris, 0.4)],
    [1, "#f4efe9"],
  ] as const;
  const colours = stops
    .map(([offset, colour]) => svg`<stop offset="${offset}" stop-color="${colour}"/>`)
    .join("");
  const around = (direction: -1 | 1): string =>
    svg`<radialGradient id="eye${direction}" gradientUnits="userSpaceOnUse" cx="${direction * gaze * GAZE_REACH}" cy="${irisY(eyes)}" r="${eyes.height * IRIS_SHARE}">${colours}</radialGradient>`;
  return around(-1) + around(1);
}

/** How far the iris moves to each side. */
const GAZE_REACH = 0.02;
/** Radius of the iris, of the height of the eye. */
const IRIS_SHARE = 0.72;

function irisY(eyes: Person["eyes"]): number {
  return -eyes.height * 0.17;
}

/** The right eye around (0, 0); mirrored it is the left one. */
export function eyeMarkup(person: Person, direction: -1 | 1, blink: number, gaze: number): string {
  const { eyes, skin, light } = person;
  const half = eyes.width / 2;
  const low = eyes.height * 0.62;
  const lidY = -eyes.height * 1.12 * (1 - blink) + low * blink;
  const upper = svg`M${-half} 0.008C${-half * 0.55} ${lidY} ${half * 0.4} ${lidY * 1.05} ${half} ${-eyes.rise}`;
  const lower = svg`C${half * 0.55} ${low} ${-half * 0.4} ${low} ${-half} 0.008Z`;
  const tip = eyes.lashes < 0.5 ? "" : svg`L${half * 1.13} ${-eyes.rise - 0.01}`;
  const lash = mix(shaded(skin.base, 0.42), "#14100e", 0.35 + 0.55 * eyes.lashes);
  const lid = svg`<path d="${upper}${tip}" fill="none" stroke="${lash}" stroke-width="${0.009 + 0.005 * eyes.lashes}" stroke-linecap="round" stroke-linejoin="round"/>`;
  if (blink > 0.9) return lid;
  const shine = eyes.height * IRIS_SHARE;
  const shineX = direction * (gaze * GAZE_REACH + light.side * shine * 0.35);
  const shineY = irisY(eyes) - shine * 0.34 + blink * 0.02;
  return (
    svg`<path d="${upper}${lower}" fill="url(#eye${direction})" stroke="${skin.shadow}" stroke-width="0.006"/>` +
    svg`<circle cx="${shineX}" cy="${shineY}" r="${shine * 0.19 * (1 - blink)}" fill="#fff"/>` +
    lid
  );
}

/** Shade of the socket and fold of the lid, drawn under the eye. */
export function socketMarkup(person: Person): string {
  const { eyes, skin } = person;
  const half = eyes.width / 2;
  return (
    svg`<ellipse cx="0" cy="-0.02" rx="${half * 1.5}" ry="0.062" fill="url(#dusk)"/>` +
    svg`<path d="M${-half * 0.95} -0.008C${-half * 0.5} ${-eyes.height * 1.42} ${half * 0.45} ${-eyes.height * 1.46} ${half * 1.02} ${-eyes.rise - 0.012}" fill="none" stroke="${skin.shadow}" stroke-width="0.006" stroke-linecap="round" stroke-opacity="0.7"/>` +
    svg`<path d="M${-half * 0.6} 0.036Q0 0.05 ${half * 0.7} 0.032" fill="none" stroke="${skin.shadow}" stroke-width="0.007" stroke-linecap="round" stroke-opacity="0.22"/>`
  );
}

/** The right brow around (0, 0). */
export function browMarkup({ brows }: Person): string {
  const half = brows.halfLength;
  const { upperY, outerY } = browCurve(brows);
  const thick = brows.thickness;
  return svg`<path d="M${-half} 0.006C${-half * 0.4} ${upperY} ${half * 0.35} ${upperY - 0.004} ${half} ${outerY}C${half * 0.35} ${upperY + thick * 0.95} ${-half * 0.4} ${upperY + thick * 1.35} ${-half} ${0.006 + thick * 0.72}Z" fill="${brows.colour}" stroke="${brows.colour}" stroke-width="0.008" stroke-linejoin="round"/>`;
}

/** Control level of the brow's upper edge and level of its outer end. */
export function browCurve(brows: Person["brows"]): { upperY: number; outerY: number } {
  return { upperY: 0.008 - brows.arch, outerY: 0.022 - brows.rise };
}

/** The nose around the axis, in levels of the face. */
export function noseMarkup({ nose, skin, light }: Person): string {
  const { halfWidth: half, y, bridge } = nose;
  const shade = -light.side;
  const tipY = y - 0.022;
  return (
    svg`<path d="M${shade * 0.03 * bridge} -0.1Q${shade * 0.026 * bridge} 0.02 ${shade * half * 0.95} ${y}Q${shade * half * 0.5} ${y + 0.03} 0 ${y + 0.03}Q${shade * half * 0.4} ${y - 0.05} ${shade * 0.008} -0.02Z" fill="${skin.shadow}" fill-opacity="0.3"/>` +
    svg`<path d="M${-shade * 0.036 * bridge} -0.1Q${-shade * 0.03 * bridge} 0.02 ${-shade * half} ${y}" fill="none" stroke="${skin.shadow}" stroke-width="0.012" stroke-opacity="0.09"/>` +
    svg`<ellipse cx="${-shade * 0.004}" cy="-0.005" rx="${0.021 * bridge}" ry="0.095" fill="url(#glow)"/>` +
    svg`<ellipse cx="0" cy="${y + 0.022}" rx="${half * 1.05}" ry="0.026" fill="url(#dusk)"/>` +
    svg`<ellipse cx="${-shade * 0.006}" cy="${tipY}" rx="${half * 0.66}" ry="0.048" fill="url(#tip)"/>` +
    svg`<path d="M${-half * 0.86} ${y - 0.03}Q${-half * 1.22} ${y + 0.002} ${-half * 0.72} ${y + 0.02}M${half * 0.86} ${y - 0.03}Q${half * 1.22} ${y + 0.002} ${half * 0.72} ${y + 0.02}" fill="none" stroke="${skin.shadow}" stroke-width="0.009" stroke-linecap="round" stroke-opacity="0.85"/>` +
    svg`<path d="M${-half * 0.62} ${y + 0.019}Q${-half * 0.36} ${y + 0.004} ${-half * 0.14} ${y + 0.022}Q${-half * 0.36} ${y + 0.028} ${-half * 0.62} ${y + 0.019}ZM${half * 0.62} ${y + 0.019}Q${half * 0.36} ${y + 0.004} ${half * 0.14} ${y + 0.022}Q${half * 0.36} ${y + 0.028} ${half * 0.62} ${y + 0.019}Z" fill="${shaded(skin.shadow, 0.5)}" fill-opacity="0.9"/>`
  );
}

/** One glass of the spectacles around the right eye. */
export function glassMarkup({ glasses, eyes, face }: Person, direction: -1 | 1): string {
  if (glasses.style === "none") return "";
  const reach = face.halfWidth + 0.01 - eyes.x;
  const bridge = eyes.x - 0.094;
  const frame =
    glasses.style === "round"
      ? `<ellipse cx="0.004" cy="0.012" rx="0.1" ry="0.084"`
      : `<rect x="-0.097" y="-0.058" width="0.2" height="0.138" rx="0.034"`;
  const arm = glasses.style === "round" ? 0.103 : 0.1;
  return (
    svg`${frame} fill="#eef6ff" fill-opacity="0.1" stroke="${glasses.colour}" stroke-width="0.0125"/>` +
    svg`<path d="M${-eyes.x} -0.022Q${-eyes.x + bridge * 0.5} -0.024 -0.094 -0.008M${arm} -0.014L${reach} -0.03" fill="none" stroke="${glasses.colour}" stroke-width="0.0125"/>` +
    svg`<path d="M${direction * 0.05 - 0.022} 0.04L${direction * 0.05 + 0.02} -0.036" stroke="#fff" stroke-width="0.012" stroke-linecap="round" stroke-opacity="0.14"/>`
  );
}
