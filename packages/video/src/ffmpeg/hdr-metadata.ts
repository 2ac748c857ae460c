/** Static HDR metadata: which display the pictures were made for, and how bright they get. */
import {
  AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
  AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
  AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
  AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
} from "node-av/constants";
import type { Frame, Stream } from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";

export interface HdrMetadata {
  /** FFmpeg's `AVMasteringDisplayMetadata` (SMPTE ST 2086). */
  readonly masteringDisplay?: Buffer;
  /** FFmpeg's `AVContentLightMetadata` (CTA-861.3). */
  readonly contentLight?: Buffer;
}

/** What a stream's container or else its first frame says. */
export function hdrMetadata({ codecpar }: Stream, frame: Frame): HdrMetadata {
  const display =
    codecpar.getCodedSideData(AV_PKT_DATA_MASTERING_DISPLAY_METADATA) ??
    frame.getSideData(AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
  const light =
    codecpar.getCodedSideData(AV_PKT_DATA_CONTENT_LIGHT_LEVEL) ??
    frame.getSideData(AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
  return {
    // Copies: what FFmpeg gives are views of memory that goes with the stream.
    ...(display && { masteringDisplay: Buffer.from(display) }),
    ...(light && { contentLight: Buffer.from(light) }),
  };
}

/** Has the container say it, whatever the codec. */
export function attachHdrMetadata({ codecpar }: Stream, hdr: HdrMetadata): void {
  const add = (...[type, data]: Parameters<typeof codecpar.addCodedSideData>): void => {
    const added = codecpar.addCodedSideData(type, data);
    checkResult(added, "runtime", "The HDR metadata cannot be kept", "Free some memory.");
  };
  if (hdr.masteringDisplay) add(AV_PKT_DATA_MASTERING_DISPLAY_METADATA, hdr.masteringDisplay);
  if (hdr.contentLight) add(AV_PKT_DATA_CONTENT_LIGHT_LEVEL, hdr.contentLight);
}

/** Chromaticities (CIE 1931) and luminances (candela per square metre) of a display. */
export interface MasteringDisplay {
  readonly red: readonly [x: number, y: number];
  readonly green: readonly [x: number, y: number];
  readonly blue: readonly [x: number, y: number];
  readonly white: readonly [x: number, y: number];
  readonly minimum: number;
  readonly maximum: number;
}

const RATIONALS = 10;
const FLAGS_OFFSET = RATIONALS * 8;

/** The numbers in `AVMasteringDisplayMetadata`; `undefined` if it leaves some out. */
export function masteringDisplay({
  masteringDisplay: bytes,
}: HdrMetadata): MasteringDisplay | undefined {
  if (bytes === undefined || bytes.length < FLAGS_OFFSET + 8) return undefined;
  const numbers = new Int32Array(Uint8Array.from(bytes).buffer, 0, FLAGS_OFFSET / 4 + 2);
  const value = (index: number): number =>
    (numbers[2 * index] as number) / Math.max(1, numbers[2 * index + 1] as number);
  const point = (index: number): readonly [number, number] => [value(index), value(index + 1)];
  if (numbers[2 * RATIONALS] === 0 || numbers[2 * RATIONALS + 1] === 0) return undefined;
  return {
    red: point(0),
    green: point(2),
    blue: point(4),
    white: point(6),
    minimum: value(8),
    maximum: value(9),
  };
}

/** Brightest pixel and brightest frame on average, candela per square metre. */
export function contentLight({
  contentLight: bytes,
}: HdrMetadata): { readonly maximum: number; readonly average: number } | undefined {
  if (bytes === undefined || bytes.length < 8) return undefined;
  const [maximum = 0, average = 0] = new Uint32Array(Uint8Array.from(bytes).buffer, 0, 2);
  return { maximum, average };
}
