/** What is around the head: gradients, background, neck and clothes. */
import type { Point } from "@ls/core";
import { RandomNumbers } from "../random.ts";
import { mix, shaded } from "./colours.ts";
import type { HeadPose } from "./head-pose.ts";
import { svg } from "./markup.ts";
import type { Person } from "./person.ts";

const HAIR_SHADE = "#17110e";

function stop(offset: number, colour: string, opacity = 1): string {
  return opacity === 1
    ? svg`<stop offset="${offset}" stop-color="${colour}"/>`
    : svg`<stop offset="${offset}" stop-color="${colour}" stop-opacity="${opacity}"/>`;
}

/** From a colour in the middle to nothing. */
function spot(id: string, colour: string, opacity: number): string {
  return `<radialGradient id="${id}">${stop(0, colour, opacity)}${stop(0.5, colour, opacity * 0.55)}${stop(1, colour, 0)}</radialGradient>`;
}

/** Definitions that a person's markup refers to. */
export function gradients(person: Person): string {
  const { skin, hair, light, mouth, background, clothes } = person;
  const lightX = light.side * 0.12;
  return [
    svg`<radialGradient id="skin" gradientUnits="userSpaceOnUse" cx="${lightX}" cy="-0.12" r="0.66">${stop(0, skin.light)}${stop(0.5, skin.base)}${stop(1, mix(skin.base, skin.shadow, 0.75))}</radialGradient>`,
    svg`<linearGradient id="side" gradientUnits="userSpaceOnUse" x1="${light.side * 0.05}" y1="-0.05" x2="${-light.side * 0.42}" y2="0.05">${stop(0, skin.shadow, 0)}${stop(1, skin.shadow, light.contrast)}</linearGradient>`,
    svg`<radialGradient id="hair" gradientUnits="userSpaceOnUse" cx="${lightX}" cy="-0.52" r="0.75">${stop(0, mix(hair.colour, "#ffe6c8", 0.24))}${stop(0.4, hair.colour)}${stop(1, mix(hair.colour, HAIR_SHADE, 0.4))}</radialGradient>`,
    svg`<linearGradient id="hairback" gradientUnits="userSpaceOnUse" x1="0" y1="-0.7" x2="0" y2="0.9">${stop(0, hair.colour)}${stop(0.45, mix(hair.colour, HAIR_SHADE, 0.42))}${stop(1, mix(hair.colour, HAIR_SHADE, 0.32))}</linearGradient>`,
    svg`<linearGradient id="lip" x1="0" y1="0" x2="0" y2="1">${stop(0, mix(mouth.colour, "#fff0ea", 0.08))}${stop(1, shaded(mouth.colour, 0.9))}</linearGradient>`,
    svg`<linearGradient id="wall" gradientUnits="userSpaceOnUse" x1="${light.side * 1.4}" y1="-1.2" x2="${-light.side * 1.4}" y2="1.3">${stop(0, background.near)}${stop(1, background.far)}</linearGradient>`,
    svg`<linearGradient id="cloth" gradientUnits="userSpaceOnUse" x1="0" y1="0.7" x2="0" y2="1.9">${stop(0, mix(clothes.colour, "#ffffff", 0.1))}${stop(1, shaded(clothes.colour, 0.7))}</linearGradient>`,
    svg`<linearGradient id="neck" gradientUnits="userSpaceOnUse" x1="0" y1="0.38" x2="0" y2="0.78">${stop(0, shaded(skin.shadow, 0.78))}${stop(0.45, skin.shadow)}${stop(1, mix(skin.base, skin.shadow, 0.4))}</linearGradient>`,
    spot("flush", skin.flush, 0.5),
    spot("dusk", skin.shadow, 0.6),
    spot("glow", skin.light, 0.45),
    spot("tip", mix(skin.light, "#ffffff", 0.12), 0.85),
  ].join("");
}

const WIDE = `x="-9" y="-9" width="18" height="18"`;

/** The background, far beyond the face on all sides. */
export function backgroundMarkup(person: Person): string {
  const { background, seed } = person;
  const random = new RandomNumbers(seed ^ 0x1b87_3593);
  const wall = `<rect ${WIDE} fill="url(#wall)"/>`;
  switch (background.style) {
    case "wall":
      return wall;
    case "lights":
      return wall + lights(random, background.accent);
    case "window":
      return wall + windowMarkup(person, random);
    case "panels":
      return wall + panels(random, background.far);
  }
}

function lights(random: RandomNumbers, accent: string): string {
  return Array.from({ length: 9 }, () => {
    const colour = mix(accent, "#fff4dc", random.between(0.35, 0.9));
    return svg`<circle cx="${random.between(-1.3, 1.3)}" cy="${random.between(-1.1, 0.7)}" r="${random.between(0.06, 0.2)}" fill="${colour}" fill-opacity="${random.between(0.12, 0.34)}"/>`;
  }).join("");
}

function windowMarkup({ light, background }: Person, random: RandomNumbers): string {
  const x = light.side * random.between(0.62, 0.8) - 0.35;
  const bright = mix(background.near, "#ffffff", 0.65);
  return (
    svg`<rect x="${x}" y="-1.05" width="0.7" height="1.15" rx="0.01" fill="${bright}" fill-opacity="0.85"/>` +
    svg`<path d="M${x + 0.35} -1.05V0.1M${x} -0.5H${x + 0.7}" stroke="${background.far}" stroke-width="0.035"/>`
  );
}

function panels(random: RandomNumbers, colour: string): string {
  const step = random.between(0.35, 0.6);
  const offset = random.between(0, step);
  const lines = Array.from({ length: 13 }, (_, index) => svg`M${(index - 6) * step + offset} -9V9`);
  return svg`<path d="${lines.join("")}" stroke="${shaded(colour, 0.8)}" stroke-width="0.02" stroke-opacity="0.5"/>`;
}

/** Neck from the moved head to the shoulders, and the shade of the chin on it. */
export function neckMarkup(person: Person, pose: HeadPose, drop: number): string {
  const half = person.face.halfWidth * (0.46 + 0.14 * person.face.jaw);
  const { x, y } = pose;
  return svg`<path d="M${x - half} ${0.25 + y}Q${x * 0.6 - half * 0.94} ${0.55 + y} ${-half * 1.25} 0.72L0 1.08L${half * 1.25} 0.72Q${x * 0.6 + half * 0.94} ${0.55 + y} ${x + half} ${0.25 + y}Z" fill="url(#neck)"/><ellipse cx="${x}" cy="${0.5 + y + drop}" rx="${half * 1.1}" ry="0.09" fill="url(#dusk)"/>`;
}

/** Shoulders and clothes, which stay where they are. */
export function clothesMarkup(person: Person): string {
  const { clothes, skin } = person;
  const wide = clothes.shoulders;
  const shoulder = (direction: -1 | 1): readonly Point[] => [
    [direction * 0.24, 0.7],
    [direction * 0.44 * wide, 0.8],
    [direction * 0.86 * wide, 0.93],
    [direction * 1.02 * wide, 1.35],
  ];
  const [right, left] = [shoulder(1), shoulder(-1).toReversed()];
  const curve = (points: readonly Point[]): string => {
    const [a, b, c, d] = points as readonly [Point, Point, Point, Point];
    return svg`${a[0]} ${a[1]}C${b[0]} ${b[1]} ${c[0]} ${c[1]} ${d[0]} ${d[1]}`;
  };
  const body = svg`<path d="M${curve(right)}L${1.12 * wide} 9L${-1.12 * wide} 9L${curve(left)}Q0 ${necklineY(person)} 0.24 0.7Z" fill="url(#cloth)"/>`;
  const edge = svg`<path d="M-0.24 0.7Q0 ${necklineY(person)} 0.24 0.7" fill="none" stroke="${shaded(clothes.colour, 0.6)}" stroke-width="0.022"/>`;
  switch (clothes.style) {
    case "crew":
      return body + edge;
    case "v-neck":
      return (
        body +
        svg`<path d="M-0.24 0.69Q-0.14 0.86 0 1.12Q0.14 0.86 0.24 0.69L0.2 0.68Q0 0.9 -0.2 0.68Z" fill="${mix(skin.base, skin.shadow, 0.4)}"/><path d="M-0.24 0.69Q-0.14 0.86 0 1.12Q0.14 0.86 0.24 0.69" fill="none" stroke="${shaded(clothes.colour, 0.65)}" stroke-width="0.02"/>`
      );
    case "collar":
      return body + edge + collarMarkup(mix(clothes.colour, "#ffffff", 0.22));
    case "jacket":
      return (
        body +
        svg`<path d="M-0.24 0.69L0 1.5L0.24 0.69Q0 ${necklineY(person)} -0.24 0.69Z" fill="${mix(clothes.accent, "#ffffff", 0.55)}"/><path d="M-0.25 0.67L-0.36 0.84L-0.27 0.92L0 1.6L0.27 0.92L0.36 0.84L0.25 0.67L0.05 1.25L0 1.4L-0.05 1.25Z" fill="${shaded(clothes.colour, 0.75)}"/>`
      );
  }
}

function necklineY({ clothes }: Person): number {
  return clothes.style === "crew" ? 0.98 : 0.9;
}

function collarMarkup(colour: string): string {
  return svg`<path d="M-0.25 0.66L-0.3 0.82L-0.1 0.98L0 0.84L0.1 0.98L0.3 0.82L0.25 0.66Q0.14 0.8 0 0.84Q-0.14 0.8 -0.25 0.66Z" fill="${colour}" stroke="#000" stroke-opacity="0.15" stroke-width="0.008"/>`;
}
