/**
 * Which matrix and range a picture is in. A stream that does not say is read as players read it:
 * BT.709 from 720 lines (or 1280 columns) on, BT.601 below; limited range.
 */
import {
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_RANGE_UNSPECIFIED,
  AVCOL_SPC_BT2020_CL,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_FCC,
  AVCOL_SPC_RGB,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_SMPTE240M,
  type AVColorRange,
  type AVColorSpace,
  type AVPixelFormat,
} from "node-av/constants";
import type { Frame } from "node-av/lib";
import { type PixelLayout, pixelLayout } from "./pixel-layout.ts";

/** Matrix and range that arithmetic uses; never unspecified. */
export interface ColourEncoding {
  readonly matrix: AVColorSpace;
  readonly range: AVColorRange;
}

const KNOWN_MATRICES: ReadonlySet<AVColorSpace> = new Set<AVColorSpace>([
  AVCOL_SPC_BT709,
  AVCOL_SPC_FCC,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_SMPTE240M,
  AVCOL_SPC_BT2020_NCL,
]);

/** The matrix of a YUV picture that names none. */
function defaultMatrix(width: number, height: number): AVColorSpace {
  return height >= 720 || width >= 1280 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

function effectiveMatrix(
  tagged: AVColorSpace,
  layout: PixelLayout | undefined,
  width: number,
  height: number,
): AVColorSpace {
  if (layout?.model === "rgb") return AVCOL_SPC_RGB;
  if (KNOWN_MATRICES.has(tagged)) return tagged;
  return tagged === AVCOL_SPC_BT2020_CL ? AVCOL_SPC_BT2020_NCL : defaultMatrix(width, height);
}

function effectiveRange(tagged: AVColorRange, layout: PixelLayout | undefined): AVColorRange {
  if (layout?.model === "rgb") return AVCOL_RANGE_JPEG;
  if (tagged !== AVCOL_RANGE_UNSPECIFIED) return tagged;
  return layout?.model === "grey" ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
}

/** Matrix and range of a frame of a video of `width` x `height`. */
export function colourEncoding(frame: Frame, width: number, height: number): ColourEncoding {
  const layout = pixelLayout(frame.format as AVPixelFormat);
  return {
    matrix: effectiveMatrix(frame.colorSpace, layout, width, height),
    range: effectiveRange(frame.colorRange, layout),
  };
}

const MATRIX_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [AVCOL_SPC_RGB, "rgb"],
  [AVCOL_SPC_BT709, "bt709"],
  [AVCOL_SPC_FCC, "fcc"],
  [AVCOL_SPC_BT470BG, "bt470bg"],
  [AVCOL_SPC_SMPTE170M, "smpte170m"],
  [AVCOL_SPC_SMPTE240M, "smpte240m"],
  [AVCOL_SPC_BT2020_NCL, "bt2020nc"],
]);

/** Matrix and range of a frame in FFmpeg's names, and whether they are assumed. */
export function describeColour(frame: Frame): string {
  const { matrix, range } = colourEncoding(frame, frame.width, frame.height);
  const assumed = matrix === frame.colorSpace || matrix === AVCOL_SPC_RGB ? "" : " (assumed)";
  const rangeName = range === AVCOL_RANGE_JPEG ? "pc" : "tv";
  return `${MATRIX_NAMES.get(matrix) ?? "unknown"}${assumed}/${rangeName}`;
}
