/** A face drawn by code, for demos and tests: shaded shapes that face detectors take for a face. */
import type { AlignmentPoints, Point, RgbImage } from "@ls/core";
import sharp from "sharp";

export interface DrawnFaceOptions {
  /** Size of the picture in pixels. */
  readonly width: number;
  readonly height: number;
  /** Seconds: the head sways and the eyes blink with it. Default 0. */
  readonly time?: number;
  /** 0 = closed, 1 = wide open. Default 0. */
  readonly mouthOpening?: number;
  /** From forehead to chin in pixels; default: 0.45 of the picture's shorter side. */
  readonly faceHeight?: number;
  /** Middle of the face at rest, in pixels; default: the picture's middle, a little above. */
  readonly center?: Point;
  /** Tilt of the head at rest, clockwise, in degrees. Default 0. */
  readonly tiltDegrees?: number;
}

/** Where the face is: everything else is drawn in units of the face's height around its middle. */
interface Pose {
  readonly centerX: number;
  readonly centerY: number;
  readonly scale: number;
  /** Clockwise, in radians. */
  readonly tilt: number;
}

const SWAY_PERIOD_SECONDS = 3.7;
const NOD_PERIOD_SECONDS = 2.9;
const BLINK_PERIOD_SECONDS = 3.1;
const BLINK_SECONDS = 0.16;

const BROW = {
  innerX: 0.095,
  outerX: 0.285,
  innerY: -0.155,
  peakY: -0.215,
  outerY: -0.15,
} as const;
const EYE = { x: 0.165, y: -0.075, width: 0.125, height: 0.052 } as const;
const NOSE_CENTER_Y = 0.123;
const MOUTH = { y: 0.27, width: 0.26, maxOpening: 0.13 } as const;

function poseOf(options: DrawnFaceOptions): Pose {
  const { width, height, time = 0, tiltDegrees = 0 } = options;
  const scale = options.faceHeight ?? 0.45 * Math.min(width, height);
  const [x, y] = options.center ?? [width / 2, height * 0.45];
  const sway = Math.sin((2 * Math.PI * time) / SWAY_PERIOD_SECONDS);
  const nod = Math.sin((2 * Math.PI * time) / NOD_PERIOD_SECONDS);
  return {
    centerX: x + 0.07 * scale * sway,
    centerY: y + 0.03 * scale * nod,
    scale,
    tilt: ((tiltDegrees + 4 * sway) * Math.PI) / 180,
  };
}

/** The three alignment points of the face that {@link drawFace} draws, in pixels. */
export function drawnFacePoints(options: DrawnFaceOptions): AlignmentPoints {
  const { centerX, centerY, scale, tilt } = poseOf(options);
  const place = ([x, y]: Point): Point => [
    centerX + scale * (x * Math.cos(tilt) - y * Math.sin(tilt)) - 0.5,
    centerY + scale * (x * Math.sin(tilt) + y * Math.cos(tilt)) - 0.5,
  ];
  const [x, y] = browCenter();
  return [place([-x, y]), place([x, y]), place([0, NOSE_CENTER_Y])];
}

/** Mean of the upper edge of the brow on the right, from end to end. */
function browCenter(): Point {
  const at = [0, 0.25, 0.5, 0.75, 1];
  const middleX = (BROW.innerX + BROW.outerX) / 2;
  const curve = (from: number, control: number, to: number): number =>
    at.reduce((sum, t) => sum + (1 - t) ** 2 * from + 2 * t * (1 - t) * control + t ** 2 * to, 0) /
    at.length;
  return [
    curve(BROW.innerX, middleX, BROW.outerX),
    curve(BROW.innerY, BROW.peakY, BROW.outerY) - 0.006,
  ];
}

/** An SVG picture of a talking face. */
export function drawFace(options: DrawnFaceOptions): string {
  const { width, height, time = 0 } = options;
  const opening = Math.min(Math.max(options.mouthOpening ?? 0, 0), 1);
  const { centerX, centerY, scale, tilt } = poseOf(options);
  const degrees = (tilt * 180) / Math.PI;
  const blink = time % BLINK_PERIOD_SECONDS > BLINK_PERIOD_SECONDS - BLINK_SECONDS;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">`,
    GRADIENTS,
    `<rect width="${width}" height="${height}" fill="url(#wall)"/>`,
    `<g transform="translate(${centerX} ${centerY}) scale(${scale})">`,
    `<path d="M-0.95 1.5 Q-0.9 0.78 -0.3 0.7 L0.3 0.7 Q0.9 0.78 0.95 1.5 L0.95 9 L-0.95 9 Z" fill="#33475c"/>`,
    `<path d="M-0.17 0.3 L-0.19 0.72 Q0 0.84 0.19 0.72 L0.17 0.3 Z" fill="#c08f74"/>`,
    `</g>`,
    `<g transform="translate(${centerX} ${centerY}) rotate(${degrees}) scale(${scale})">`,
    headMarkup(opening),
    side(-1, blink),
    side(1, blink),
    NOSE_MARKUP,
    mouthMarkup(opening),
    `</g></svg>`,
  ].join("");
}

/** {@link drawFace} in pixels. */
export async function renderFace(options: DrawnFaceOptions): Promise<RgbImage> {
  const { data, info } = await sharp(Buffer.from(drawFace(options)))
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

const GRADIENTS =
  `<defs>` +
  `<linearGradient id="wall" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#b9c4c9"/><stop offset="1" stop-color="#8b9aa3"/></linearGradient>` +
  `<radialGradient id="skin" cx="0.45" cy="0.42" r="0.62"><stop offset="0" stop-color="#f3cdb2"/><stop offset="0.7" stop-color="#dfae90"/><stop offset="1" stop-color="#b98365"/></radialGradient>` +
  `<radialGradient id="cheek"><stop offset="0" stop-color="#d98873" stop-opacity="0.45"/><stop offset="1" stop-color="#d98873" stop-opacity="0"/></radialGradient>` +
  `<radialGradient id="socket"><stop offset="0" stop-color="#8a5a45" stop-opacity="0.55"/><stop offset="1" stop-color="#8a5a45" stop-opacity="0"/></radialGradient>` +
  `<radialGradient id="tip" cx="0.5" cy="0.4"><stop offset="0" stop-color="#f8dcc6"/><stop offset="1" stop-color="#d39c7e" stop-opacity="0"/></radialGradient>` +
  `</defs>`;

function headMarkup(opening: number): string {
  const chin = 0.5 + 0.05 * opening;
  return (
    `<ellipse cx="0" cy="-0.16" rx="0.47" ry="0.52" fill="#3a2a20"/>` +
    `<ellipse cx="-0.38" cy="0" rx="0.055" ry="0.11" fill="#c08b6f"/><ellipse cx="0.38" cy="0" rx="0.055" ry="0.11" fill="#c08b6f"/>` +
    `<path d="M-0.38 -0.14 C-0.4 0.2 -0.28 ${chin} 0 ${chin} C0.28 ${chin} 0.4 0.2 0.38 -0.14 C0.38 -0.42 0.2 -0.5 0 -0.5 C-0.2 -0.5 -0.38 -0.42 -0.38 -0.14 Z" fill="url(#skin)"/>` +
    `<path d="M-0.42 -0.1 C-0.44 -0.5 -0.2 -0.6 0 -0.6 C0.2 -0.6 0.44 -0.5 0.42 -0.1 C0.36 -0.3 0.3 -0.4 0.12 -0.42 C-0.05 -0.43 -0.3 -0.4 -0.42 -0.1 Z" fill="#3a2a20"/>` +
    `<ellipse cx="-0.2" cy="0.13" rx="0.11" ry="0.09" fill="url(#cheek)"/><ellipse cx="0.2" cy="0.13" rx="0.11" ry="0.09" fill="url(#cheek)"/>` +
    `<ellipse cx="0" cy="${chin - 0.075}" rx="0.1" ry="0.04" fill="#f6d6be" opacity="0.5"/>`
  );
}

/** Brow and eye; `direction` is -1 on the picture's left, 1 on its right. */
function side(direction: -1 | 1, blink: boolean): string {
  const middle = (BROW.innerX + BROW.outerX) / 2;
  const brow =
    `<path d="M${BROW.innerX} ${BROW.innerY} Q${middle} ${BROW.peakY} ${BROW.outerX} ${BROW.outerY} ` +
    `Q${middle} ${BROW.peakY + 0.05} ${BROW.innerX} ${BROW.innerY + 0.03} Z" fill="#38271d" stroke="#38271d" stroke-width="0.012" stroke-linejoin="round"/>`;
  const { x, y, width, height } = EYE;
  const lids = `M${x - width / 2} ${y + 0.006} Q${x} ${y - height} ${x + width / 2} ${y} Q${x} ${y + height * 0.8} ${x - width / 2} ${y + 0.006} Z`;
  const closed = `<path d="M${x - width / 2} ${y} Q${x} ${y + 0.03} ${x + width / 2} ${y}" fill="none" stroke="#4a3226" stroke-width="0.012"/>`;
  const open =
    `<path d="${lids}" fill="#f7f3ee"/>` +
    `<circle cx="${x}" cy="${y - 0.001}" r="0.027" fill="#5b4030"/><circle cx="${x}" cy="${y - 0.001}" r="0.013" fill="#120d0a"/>` +
    `<circle cx="${x + direction * 0.009}" cy="${y - 0.01}" r="0.005" fill="#fff"/>` +
    `<path d="M${x - width / 2} ${y + 0.006} Q${x} ${y - height} ${x + width / 2} ${y}" fill="none" stroke="#33221a" stroke-width="0.012"/>` +
    `<path d="M${x - width / 2} ${y + 0.006} Q${x} ${y + height * 0.8} ${x + width / 2} ${y}" fill="none" stroke="#9a6a55" stroke-width="0.005"/>`;
  return (
    `<g transform="scale(${direction} 1)">` +
    `<ellipse cx="${x}" cy="${y - 0.02}" rx="0.11" ry="0.065" fill="url(#socket)"/>` +
    `${brow}${blink ? closed : open}</g>`
  );
}

const NOSE_MARKUP =
  `<path d="M-0.045 -0.1 Q-0.03 0.03 -0.075 0.13 Q-0.04 0.17 0 0.165 Q0.04 0.17 0.075 0.13 Q0.03 0.03 0.045 -0.1 Z" fill="#c98f72" opacity="0.35"/>` +
  `<ellipse cx="0" cy="-0.01" rx="0.02" ry="0.1" fill="#f8dcc6" opacity="0.6"/>` +
  `<ellipse cx="0" cy="0.105" rx="0.052" ry="0.045" fill="url(#tip)"/>` +
  `<path d="M-0.078 0.13 Q-0.085 0.155 -0.055 0.16 M0.078 0.13 Q0.085 0.155 0.055 0.16" fill="none" stroke="#a06a50" stroke-width="0.009" stroke-linecap="round"/>` +
  `<ellipse cx="-0.034" cy="0.156" rx="0.02" ry="0.009" fill="#5c3527"/><ellipse cx="0.034" cy="0.156" rx="0.02" ry="0.009" fill="#5c3527"/>` +
  `<path d="M-0.05 0.168 Q0 0.185 0.05 0.168" fill="none" stroke="#a87558" stroke-width="0.006"/>`;

function mouthMarkup(opening: number): string {
  const half = (MOUTH.width / 2) * (1 - 0.18 * opening);
  const drop = MOUTH.maxOpening * opening;
  const { y } = MOUTH;
  const upper = y - 0.012 * opening;
  const corner = `M${-half} ${y}`;
  const innerEdge = `C${-half * 0.75} ${y + drop * 1.33} ${half * 0.75} ${y + drop * 1.33} ${half} ${y}`;
  const outerLow = y + drop * 1.33 + 0.07;
  const outerEdge = `C${half * 0.7} ${outerLow} ${-half * 0.7} ${outerLow} ${-half} ${y}`;
  const teeth = half * 0.7;
  return (
    `<path d="${corner} ${innerEdge} Q0 ${upper - 0.01} ${-half} ${y} Z" fill="#3b1513"/>` +
    `<path d="M${-teeth} ${y} Q0 ${upper - 0.008} ${teeth} ${y} L${teeth * 0.85} ${y + drop * 0.25} L${-teeth * 0.85} ${y + drop * 0.25} Z" fill="#f3ece4"/>` +
    `<path d="${corner} Q${-half * 0.4} ${upper - 0.045} 0 ${upper - 0.03} Q${half * 0.4} ${upper - 0.045} ${half} ${y} Q0 ${upper - 0.012} ${-half} ${y} Z" fill="#b4574f"/>` +
    `<path d="${corner} ${innerEdge} ${outerEdge} Z" fill="#c66a60"/>` +
    `<path d="${corner} ${innerEdge}" fill="none" stroke="#8d3b36" stroke-width="0.006"/>`
  );
}
