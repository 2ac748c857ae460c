/** What this package does with FFmpeg's frames: allocate, cut out, convert. All of it bounded work. */
import { LatentSyncError, type Rectangle, type RgbImage } from "@ls/core";
import {
  AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
  AV_FRAME_DATA_DYNAMIC_HDR_PLUS,
  AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
  AV_PIX_FMT_RGB24,
  AVCOL_SPC_RGB,
  type AVPixelFormat,
  SWS_ACCURATE_RND,
  SWS_BILINEAR,
  SWS_FULL_CHR_H_INP,
  SWS_FULL_CHR_H_INT,
} from "node-av/constants";
import { Frame, SoftwareScaleContext } from "node-av/lib";
import type { ColourEncoding } from "./colour.ts";
import { checkResult } from "./ffmpeg-error.ts";
import { type PixelLayout, type PlaneLayout, pixelLayout } from "./pixel-layout.ts";

const CONVERSION_FLAGS = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;

/** Pixels around a region that chroma interpolation may read. */
const CHROMA_MARGIN = 8;

/** Allocates a frame with uninitialised pixels. The caller frees it. */
export function allocateFrame(format: AVPixelFormat, width: number, height: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = format;
  frame.width = width;
  frame.height = height;
  try {
    checkResult(
      frame.getBuffer(0),
      "invalid_media",
      `Cannot allocate a frame of ${width}x${height} pixels`,
      "Use a video of a smaller size.",
    );
  } catch (error) {
    frame.free();
    throw error;
  }
  return frame;
}

/** Another reference to the same picture. */
export function referenceFrame(frame: Frame): Frame {
  const copy = frame.clone();
  if (!copy) throw new LatentSyncError("runtime", "FFmpeg could not reference a frame.");
  return copy;
}

/** Layout of a frame that the reader has brought to a known format. */
export function layoutOf(frame: Frame): PixelLayout {
  const layout = pixelLayout(frame.format as AVPixelFormat);
  if (!layout) {
    throw new LatentSyncError(
      "unsupported",
      `A frame has the pixel format number ${frame.format}, whose layout is not known.`,
    );
  }
  return layout;
}

export interface Plane extends PlaneLayout {
  readonly data: Buffer;
  readonly stride: number;
  /** Steps in a row and rows. */
  readonly columns: number;
  readonly rows: number;
}

/**
 * The planes of a frame. The buffers are views, which hold the picture's memory until they are
 * collected, even past `free()`: do without them where there is another way.
 */
export function framePlanes(frame: Frame): readonly Plane[] {
  const data = frame.data;
  const strides = frame.linesize;
  const planes: Plane[] = [];
  for (const [index, layout] of layoutOf(frame).planes.entries()) {
    const bytes = data?.[index];
    const stride = strides[index] ?? 0;
    const columns = -(-frame.width >> layout.shiftX);
    const rows = -(-frame.height >> layout.shiftY);
    if (!bytes || stride < columns * layout.bytesPerStep || bytes.length < (rows - 1) * stride) {
      throw new LatentSyncError("invalid_media", "A decoded frame has an incomplete picture.");
    }
    planes.push({ ...layout, data: bytes, stride, columns, rows });
  }
  return planes;
}

export function copyColourTags(target: Frame, source: Frame): void {
  target.colorPrimaries = source.colorPrimaries;
  target.colorTrc = source.colorTrc;
  target.chromaLocation = source.chromaLocation;
  target.sampleAspectRatio = source.sampleAspectRatio;
}

/** Marks a frame (this reference of it, not the picture) with the encoding that arithmetic uses. */
export function tagEncoding(frame: Frame, encoding: ColourEncoding): void {
  frame.colorSpace = encoding.matrix;
  frame.colorRange = encoding.range;
}

/** Pixels that share the coarsest chroma sample of a frame, along a side. */
function chromaUnit(frame: Frame): number {
  const shifts = layoutOf(frame).planes.flatMap(({ shiftX, shiftY }) => [shiftX, shiftY]);
  return 1 << Math.max(...shifts);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * `region` with the margin that chroma needs, aligned outward. At an odd edge it goes past the
 * frame by what completes a chroma sample: conversion is exact only for whole ones.
 */
export function expandRegion(region: Rectangle, frame: Frame): Rectangle {
  const unit = chromaUnit(frame);
  const x = Math.max(0, Math.floor(region.x / CHROMA_MARGIN - 1) * CHROMA_MARGIN);
  const y = Math.max(0, Math.floor(region.y / CHROMA_MARGIN - 1) * CHROMA_MARGIN);
  const right = roundUp(region.x + region.width + CHROMA_MARGIN, CHROMA_MARGIN);
  const bottom = roundUp(region.y + region.height + CHROMA_MARGIN, CHROMA_MARGIN);
  return {
    x,
    y,
    width: Math.min(roundUp(frame.width, unit), right) - x,
    height: Math.min(roundUp(frame.height, unit), bottom) - y,
  };
}

/**
 * A copy of `region`, whose corner must be aligned to chroma. Past the frame's right and bottom
 * edge it repeats the last column and row. The caller frees it.
 */
export function cropFrame(source: Frame, region: Rectangle): Frame {
  const target = allocateFrame(source.format as AVPixelFormat, region.width, region.height);
  copyColourTags(target, source);
  target.colorSpace = source.colorSpace;
  target.colorRange = source.colorRange;
  const from = framePlanes(source);
  for (const [index, to] of framePlanes(target).entries()) {
    const plane = from[index] as Plane;
    copyPlane(plane, to, region.x >> plane.shiftX, region.y >> plane.shiftY);
  }
  return target;
}

function copyPlane(source: Plane, target: Plane, left: number, top: number): void {
  const step = source.bytesPerStep;
  const columns = Math.min(target.columns, source.columns - left);
  for (let row = 0; row < target.rows; row++) {
    const start = Math.min(top + row, source.rows - 1) * source.stride + left * step;
    const end = start + columns * step;
    const to = row * target.stride;
    source.data.copy(target.data, to, start, end);
    for (let column = columns; column < target.columns; column++) {
      source.data.copy(target.data, to + column * step, end - step, end);
    }
  }
}

/** What makes FFmpeg fit HDR to another display, by tables that take seconds a frame. */
const DISPLAY_METADATA = [
  AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
  AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
  AV_FRAME_DATA_DYNAMIC_HDR_PLUS,
] as const;

/**
 * Converts a tagged frame to another format on FFmpeg's threads; size and encoding of the result
 * are those of `target`. Primaries and transfer are never converted.
 */
export async function convertFrame(target: Frame, frame: Frame): Promise<void> {
  using source = referenceFrame(frame);
  for (const type of DISPLAY_METADATA) source.removeSideData(type);
  target.colorPrimaries = source.colorPrimaries;
  target.colorTrc = source.colorTrc;
  using context = new SoftwareScaleContext();
  context.allocContext();
  context.setOption("sws_flags", CONVERSION_FLAGS);
  checkResult(
    await context.scaleFrame(target, source),
    "unsupported",
    `Cannot convert pixels from format ${source.format} to ${target.format}`,
    "Re-encode the video to H.264 with yuv420p pixels.",
  );
}

/** An RGB24 frame of an area that {@link expandRegion} gave. The caller frees it. */
export async function convertAreaToRgb(
  frame: Frame,
  encoding: ColourEncoding,
  area: Rectangle,
): Promise<Frame> {
  const whole = area.width === frame.width && area.height === frame.height;
  using source = whole ? referenceFrame(frame) : cropFrame(frame, area);
  tagEncoding(source, encoding);
  const target = allocateFrame(AV_PIX_FMT_RGB24, area.width, area.height);
  try {
    target.colorSpace = AVCOL_SPC_RGB;
    await convertFrame(target, source);
    return target;
  } catch (error) {
    target.free();
    throw error;
  }
}

/** Copies `region` of an RGB24 frame to a packed array. */
function packRgb(frame: Frame, region: Rectangle): Uint8Array {
  if (region.width === frame.width && region.height === frame.height) {
    const { buffer, byteOffset, length } = frame.toBuffer();
    return new Uint8Array(buffer, byteOffset, length);
  }
  const plane = framePlanes(frame)[0] as Plane;
  const rowBytes = region.width * 3;
  const packed = new Uint8Array(rowBytes * region.height);
  for (let row = 0; row < region.height; row++) {
    const start = (region.y + row) * plane.stride + region.x * 3;
    packed.set(plane.data.subarray(start, start + rowBytes), row * rowBytes);
  }
  return packed;
}

/** 8-bit RGB of a region in stored pixels. */
export async function storedToRgb(
  frame: Frame,
  encoding: ColourEncoding,
  region: Rectangle,
): Promise<RgbImage> {
  const area = expandRegion(region, frame);
  using target = await convertAreaToRgb(frame, encoding, area);
  const inside = { ...region, x: region.x - area.x, y: region.y - area.y };
  return { width: region.width, height: region.height, data: packRgb(target, inside) };
}

/** An RGB24 frame with a copy of packed RGB. The caller frees it. */
export function rgbFrame(data: Uint8Array, width: number, height: number): Frame {
  const frame = allocateFrame(AV_PIX_FMT_RGB24, width, height);
  frame.colorSpace = AVCOL_SPC_RGB;
  const plane = framePlanes(frame)[0] as Plane;
  const rowBytes = width * 3;
  for (let row = 0; row < height; row++) {
    plane.data.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), row * plane.stride);
  }
  return frame;
}
