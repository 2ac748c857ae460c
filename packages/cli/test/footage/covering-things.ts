/** Things before a mouth, and what looks like some and is none. */
import { cropImage, type RgbImage } from "@ls/core";
import type { RandomNumbers } from "@ls/synthetic";
import sharp, { type Sharp } from "sharp";

/** A picture with transparency, drawn for faces of {@link FACE_WIDTH}, and where it goes. */
export interface Thing {
  readonly png: Buffer;
  /** The point of it that comes before the mouth, of its size. */
  readonly anchor: readonly [number, number];
  /** Default 1. */
  readonly scale?: number;
  /** `multiply` for light and shadow; default `over`. */
  readonly blend?: "multiply" | "over";
}

/** Width of the faces that the things are drawn for. */
export const FACE_WIDTH = 215;

/** The hand of demo video 3 before the white shirt: frame at 25 a second, and rectangle in it. */
export const HANDS = [
  { frame: 200, left: 228, top: 1015, width: 425, height: 290, anchor: [0.8, 0.4] },
  { frame: 100, left: 222, top: 945, width: 235, height: 375, anchor: [0.55, 0.3] },
  { frame: 67, left: 580, top: 990, width: 318, height: 225, anchor: [0.25, 0.45] },
] as const;

export async function cutHand(frame: RgbImage, hand: (typeof HANDS)[number]): Promise<Thing> {
  const { left, top, width, height, anchor } = hand;
  const part = cropImage(frame, { x: left, y: top, width, height });
  const skin = Uint8Array.from({ length: width * height }, (_, index) => {
    const [red, green, blue] = part.data.subarray(index * 3, index * 3 + 3);
    return red! - blue! > 22 && red! - green! > 14 && red! > 80 ? 255 : 0;
  });
  const alpha = await sharp(skin, { raw: { width, height, channels: 1 } })
    .median(5)
    .toColourspace("b-w")
    .raw()
    .toBuffer();
  const png = await sharp(part.data, { raw: { width, height, channels: 3 } })
    .joinChannel(alpha, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
  return { png, anchor };
}

/** A hand mirrored or not, turned by up to 25 degrees, lighter or darker, larger or smaller. */
export async function variedHand({ png, anchor }: Thing, random: RandomNumbers): Promise<Thing> {
  const mirrored = random.chance(0.5);
  const degrees = random.between(-25, 25);
  const gain = random.between(0.55, 1.15);
  const colour = [1, random.between(0.9, 1), random.between(0.85, 1)].map((part) => part * gain);
  const size = await sharp(png).metadata();
  const coloured = sharp(png).linear([...colour, 1], [0, 0, 0, 0]);
  const flipped: Sharp = mirrored ? coloured.flop() : coloured;
  const turned = await sharp(await flipped.png().toBuffer())
    .rotate(degrees, { background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .png()
    .toBuffer();
  const turnedSize = await sharp(turned).metadata();
  const [x, y] = [
    ((mirrored ? 1 - anchor[0] : anchor[0]) - 0.5) * size.width,
    (anchor[1] - 0.5) * size.height,
  ];
  const angle = (degrees * Math.PI) / 180;
  return {
    png: turned,
    anchor: [
      0.5 + (x * Math.cos(angle) - y * Math.sin(angle)) / turnedSize.width,
      0.5 + (x * Math.sin(angle) + y * Math.cos(angle)) / turnedSize.height,
    ],
    scale: random.between(0.85, 1.2),
  };
}

async function draw(
  width: number,
  height: number,
  body: string,
  rest: Omit<Thing, "png">,
): Promise<Thing> {
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${body}</svg>`;
  return { png: await sharp(Buffer.from(drawing)).png().toBuffer(), ...rest };
}

const MIDDLE = [0.5, 0.5] as const;

export function drawMicrophone(colour: string): Promise<Thing> {
  const handle = `<path d="M32 110 L44 420 L76 420 L88 110 Z" fill="#1b1b1d"/>`;
  const head = `<ellipse cx="60" cy="75" rx="50" ry="62" fill="${colour}"/>`;
  return draw(120, 420, handle + head, { anchor: [0.5, 0.2] });
}

const COLOURS = [
  ...["#222222", "#5c6065", "#c9ccd0", "#8f1f2e", "#2c6e49", "#f0d040"],
  ...["#ffffff", "#c04a9a", "#34507a", "#101820", "#d9641a", "#55584a"],
] as const;

/** A microphone of any colour, size, shading and angle, and a little off the mouth. */
export function variedMicrophone(random: RandomNumbers): Promise<Thing> {
  const colour = random.pick(COLOURS);
  const handle = random.pick(["#1b1b1d", "#77797d"] as const);
  const radius = random.between(40, 60);
  const width = random.between(10, 20);
  const shape = (of: string, rest: string): string =>
    `<path d="M${400 - width * 1.6} 430 L${400 - width} 800 L${400 + width} 800 L${400 + width * 1.6} 430 Z" fill="${rest}"/>` +
    `<ellipse cx="400" cy="400" rx="${radius}" ry="${radius * 1.15}" fill="${of}"/>`;
  const shade = random.chance(0.5) ? shape("url(#shade)", "url(#shade)") : "";
  const body =
    `<defs><linearGradient id="shade"><stop offset="0" stop-color="#fff" stop-opacity=".35"/>` +
    `<stop offset="1" stop-color="#000" stop-opacity=".45"/></linearGradient></defs>` +
    `<g transform="rotate(${random.between(-65, 65)} 400 400)">${shape(colour, handle)}${shade}</g>`;
  const aside = (random.between(-0.07, 0.07) * FACE_WIDTH) / 800;
  return draw(800, 800, body, { anchor: [0.5 + aside, 0.5] });
}

/** Things that hang before the mouth, or are held there, of a colour each. */
export function otherThings(random: RandomNumbers): Promise<Thing>[] {
  const bodies = [
    (colour: string) => `<circle cx="200" cy="200" r="46" fill="${colour}"/>`,
    (colour: string) =>
      `<circle cx="200" cy="200" r="70" fill="${colour}"/><path d="M270 230 Q330 300 340 400" stroke="#222" stroke-width="8" fill="none"/>`,
    (colour: string) =>
      `<rect x="178" y="160" width="44" height="80" rx="18" fill="${colour}"/><path d="M200 160 L215 0" stroke="#222" stroke-width="5"/>`,
    (colour: string) => `<path d="M140 190 L155 330 L245 330 L260 190 Z" fill="${colour}"/>`,
    (colour: string) => `<rect x="150" y="150" width="100" height="220" rx="10" fill="${colour}"/>`,
  ];
  return bodies.map((body) => draw(400, 400, body(random.pick(COLOURS)), { anchor: MIDDLE }));
}

/** A headset's arm, a straw and a spoon. */
export function thinThings(): Promise<Thing>[] {
  const bodies = [
    `<path d="M60 100 Q80 190 170 205" stroke="#1a1a1a" stroke-width="7" fill="none"/><ellipse cx="175" cy="205" rx="18" ry="12" fill="#1a1a1a"/>`,
    `<path d="M200 200 L250 400" stroke="#1f8a3a" stroke-width="10"/>`,
    `<path d="M200 210 L380 330" stroke="#9a9ca0" stroke-width="10"/><ellipse cx="200" cy="205" rx="34" ry="20" fill="#b8bcc2"/>`,
  ];
  return bodies.map((body) => draw(400, 400, body, { anchor: MIDDLE }));
}

const HAIR = "#17120f";
/** Skin showing through a beard where the lips are. */
const LIPS_HOLE = "M165 195 Q200 180 235 195 Q200 228 165 195 Z";

function shadow(across: string, colour: string): Promise<Thing> {
  const body =
    `<defs><linearGradient id="light" ${across}><stop offset=".42" stop-color="#fff"/>` +
    `<stop offset=".58" stop-color="${colour}"/></linearGradient></defs>` +
    `<rect width="500" height="500" fill="url(#light)"/>`;
  return draw(500, 500, body, { anchor: [0.5, 0.6], blend: "multiply" });
}

/** Light, shadow, beards, clothes and mouths: nothing of it is in front of a face. */
export function harmlessThings(): Promise<Thing>[] {
  const bodies = [
    `<path d="M40 290 Q200 330 360 290 L390 400 L10 400 Z" fill="#1c1c22"/>`,
    `<path d="M40 280 Q200 300 360 280 L390 400 L10 400 Z" fill="#22408a"/>`,
    `<path fill-rule="evenodd" d="M105 165 Q110 285 200 290 Q290 285 295 165 Q275 200 245 178 Q200 160 155 178 Q125 200 105 165 Z ${LIPS_HOLE}" fill="${HAIR}" opacity=".8"/>`,
    `<path fill-rule="evenodd" d="M158 185 Q150 300 200 300 Q250 300 242 185 Q200 165 158 185 Z ${LIPS_HOLE}" fill="#8d8a87" opacity=".85"/>`,
    `<path fill-rule="evenodd" d="M158 185 Q140 330 150 400 L250 400 Q260 330 242 185 Q200 165 158 185 Z ${LIPS_HOLE}" fill="${HAIR}" opacity=".9"/>`,
    `<ellipse cx="200" cy="208" rx="40" ry="40" fill="#a04a48"/><ellipse cx="200" cy="208" rx="33" ry="33" fill="#040203"/>`,
    `<ellipse cx="200" cy="205" rx="40" ry="26" fill="#a04a48"/><rect x="168" y="188" width="64" height="30" rx="6" fill="#fffdf8"/>`,
    `<path d="M170 195 Q200 185 230 195 Q232 208 226 214 Q222 262 200 264 Q178 262 174 214 Q168 208 170 195 Z" fill="#c4646c"/>`,
  ];
  return [
    ...bodies.map((body) => draw(400, 400, body, { anchor: MIDDLE })),
    shadow(`x1="0" x2="1"`, "#444444"),
    shadow(`x1="1" x2="0"`, "#444444"),
    shadow(`x1="0" x2="0" y1="0" y2="1"`, "#4a4a4a"),
    shadow(`x1="0" x2="1"`, "#5570a0"),
    shadow(`x1="0" x2="0" y1="0" y2="1"`, "#6060b0"),
  ];
}
