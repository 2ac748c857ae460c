/** How pixel formats lie in memory: what is needed to cut a region out and to put one back. */
import type { AVPixelFormat } from "node-av/constants";
import { avcodecFindBestPixFmtOfList, avGetPixFmtFromName, avGetPixFmtName } from "node-av/lib";

export interface PlaneLayout {
  /** Bytes from one sample position to the next in a row. */
  readonly bytesPerStep: number;
  /** log2 of the luma pixels that one step covers, across and down. */
  readonly shiftX: number;
  readonly shiftY: number;
}

/** Where the transparency of a pixel lies. */
export interface AlphaLayout {
  /** Position of its plane. */
  readonly plane: number;
  /** Its first byte in a step of that plane, and how many it has. */
  readonly offset: number;
  readonly bytes: number;
}

export interface PixelLayout {
  readonly name: string;
  readonly model: "yuv" | "rgb" | "grey";
  /** Significant bits per component. */
  readonly bits: number;
  readonly planes: readonly PlaneLayout[];
  readonly alpha?: AlphaLayout;
}

const CHROMA_SHIFTS: Readonly<Record<string, readonly [number, number]>> = {
  "410": [2, 2],
  "411": [2, 0],
  "420": [1, 1],
  "422": [1, 0],
  "440": [0, 1],
  "444": [0, 0],
};

const PACKED_RGB: Readonly<Record<string, number>> = {
  rgb24: 3,
  bgr24: 3,
  rgba: 4,
  bgra: 4,
  argb: 4,
  abgr: 4,
  rgb0: 4,
  bgr0: 4,
  "0rgb": 4,
  "0bgr": 4,
  rgb48le: 6,
  bgr48le: 6,
  rgba64le: 8,
  bgra64le: 8,
};

/** Formats that any other one is converted to: of every kind one that holds it without loss. */
const REPLACEMENTS: readonly string[] = [
  "gray",
  "gray16le",
  "yuv420p",
  "yuv422p",
  "yuv444p",
  "yuv420p10le",
  "yuv422p10le",
  "yuv444p10le",
  "yuv420p12le",
  "yuv422p12le",
  "yuv444p12le",
  "yuv444p16le",
  "yuva420p",
  "yuva444p",
  "yuva444p16le",
  "rgb24",
  "rgba",
  "rgb48le",
  "rgba64le",
  "gbrp",
  "gbrp10le",
  "gbrp12le",
];

const layouts = new Map<string, PixelLayout | undefined>();

function plane(bytesPerStep: number, shiftX = 0, shiftY = 0): PlaneLayout {
  return { bytesPerStep, shiftX, shiftY };
}

function planarYuv(name: string): PixelLayout | undefined {
  const match = /^yuv(a)?(4\d\d)p(?:(9|10|12|14|16)le)?$/.exec(name);
  const shifts = CHROMA_SHIFTS[match?.[2] ?? ""];
  if (!match || !shifts) return undefined;
  const bits = Number(match[3] ?? 8);
  const bytes = bits > 8 ? 2 : 1;
  const chroma = plane(bytes, shifts[0], shifts[1]);
  const planes = [plane(bytes), chroma, chroma];
  if (match[1] === undefined) return { name, model: "yuv", bits, planes };
  planes.push(plane(bytes));
  return { name, model: "yuv", bits, planes, alpha: { plane: 3, offset: 0, bytes } };
}

function semiPlanarYuv(name: string): PixelLayout | undefined {
  const shifts = { nv12: "420", nv21: "420", nv16: "422", nv24: "444", nv42: "444" }[name];
  const wide = /^p([024])(10|12|16)le$/.exec(name);
  const digits = shifts ?? { "0": "420", "2": "422", "4": "444" }[wide?.[1] ?? ""];
  const [shiftX, shiftY] = CHROMA_SHIFTS[digits ?? ""] ?? [];
  if (shiftX === undefined || shiftY === undefined) return undefined;
  const bytes = wide ? 2 : 1;
  return {
    name,
    model: "yuv",
    bits: Number(wide?.[2] ?? 8),
    planes: [plane(bytes), plane(2 * bytes, shiftX, shiftY)],
  };
}

function rgbOrGrey(name: string): PixelLayout | undefined {
  const packed = PACKED_RGB[name];
  if (packed !== undefined) {
    const bits = packed > 4 ? 16 : 8;
    const alpha = packedAlpha(name, packed, bits / 8);
    return { name, model: "rgb", bits, planes: [plane(packed)], ...(alpha && { alpha }) };
  }
  const match = /^(gbrp|gbrap|gray)(?:(9|10|12|14|16)le)?$/.exec(name);
  if (!match) return undefined;
  const bits = Number(match[2] ?? 8);
  const bytes = bits > 8 ? 2 : 1;
  const count = { gbrp: 3, gbrap: 4, gray: 1 }[match[1] as "gbrp" | "gbrap" | "gray"];
  return {
    name,
    model: match[1] === "gray" ? "grey" : "rgb",
    bits,
    planes: Array.from({ length: count }, () => plane(bytes)),
    ...(count === 4 && { alpha: { plane: 3, offset: 0, bytes } }),
  };
}

function packedAlpha(name: string, step: number, bytes: number): AlphaLayout | undefined {
  if (name.startsWith("a")) return { plane: 0, offset: 0, bytes };
  return /a(64le)?$/.test(name) ? { plane: 0, offset: step - bytes, bytes } : undefined;
}

/** Layout of a pixel format by FFmpeg's name; undefined for one that frames are converted from. */
function pixelLayoutByName(name: string): PixelLayout | undefined {
  if (!layouts.has(name)) {
    layouts.set(name, planarYuv(name) ?? semiPlanarYuv(name) ?? rgbOrGrey(name));
  }
  return layouts.get(name);
}

export function pixelLayout(format: AVPixelFormat): PixelLayout | undefined {
  return pixelLayoutByName(avGetPixFmtName(format) ?? "");
}

/** The format itself if its layout is known, else the nearest one whose layout is. */
export function nearestKnownFormat(format: AVPixelFormat): AVPixelFormat {
  if (pixelLayout(format)) return format;
  return avcodecFindBestPixFmtOfList(REPLACEMENTS.map(avGetPixFmtFromName), format);
}

/** Whether every pixel has a colour of its own. */
export function hasFullChroma({ model, planes }: PixelLayout): boolean {
  const chroma = planes[1];
  return model === "rgb" || (chroma !== undefined && chroma.shiftX + chroma.shiftY === 0);
}
