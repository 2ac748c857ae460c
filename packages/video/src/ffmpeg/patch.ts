/**
 * Puts an RGB patch into a frame of any pixel format. Only what the patch changes is touched:
 * a pixel whose RGB is as it was keeps its samples bit for bit, and so does all outside the patch.
 * A chroma sample that also belongs to pixels outside the patch is left alone.
 */
import type { ImagePatch, Rectangle } from "@ls/core";
import type { AVPixelFormat } from "node-av/constants";
import type { Frame } from "node-av/lib";
import type { ColourEncoding } from "./colour.ts";
import {
  allocateFrame,
  convertAreaToRgb,
  convertFrame,
  copyColourTags,
  expandRegion,
  framePlanes,
  layoutOf,
  type Plane,
  storedToRgb,
  tagEncoding,
} from "./native-frame.ts";
import type { AlphaLayout } from "./pixel-layout.ts";
import {
  displayPixels,
  isSquare,
  patchedRegion,
  storedPatch,
  storedRegion,
} from "./square-pixels.ts";

/** Applies `patch`, in square pixels, to a writable frame whose pixels are in `encoding`. */
export async function applyPatch(
  native: Frame,
  encoding: ColourEncoding,
  patch: ImagePatch,
): Promise<void> {
  if (isSquare(native)) {
    await applyStored(native, encoding, patch);
    return;
  }
  const region = patchedRegion(native, patch);
  if (region.width < 1 || region.height < 1) return;
  const area = storedRegion(native, patch);
  const around = await storedToRgb(native, encoding, area);
  const shown = displayPixels(native, around, area, patch);
  const stored = await storedToRgb(native, encoding, region);
  await applyStored(native, encoding, storedPatch(native, patch, shown, stored, region));
}

async function applyStored(
  native: Frame,
  encoding: ColourEncoding,
  patch: ImagePatch,
): Promise<void> {
  const { width, height } = native;
  // Chroma at the patch's edge is filtered over its surroundings.
  const area = expandRegion(patch, native);
  using source = await convertAreaToRgb(native, encoding, area);
  const inside: Rectangle = { ...patch, x: patch.x - area.x, y: patch.y - area.y };
  const rgb = framePlanes(source)[0] as Plane;
  const changed = overlayChanges(rgb, patch, inside);
  repeatEdges(rgb, width - area.x, height - area.y);
  using target = allocateFrame(native.format as AVPixelFormat, area.width, area.height);
  copyColourTags(target, native);
  tagEncoding(target, encoding);
  await convertFrame(target, source);
  const planes = framePlanes(native);
  const { alpha } = layoutOf(native);
  for (const [index, converted] of framePlanes(target).entries()) {
    const plane = planes[index] as Plane;
    if (alpha?.plane === index) {
      if (alpha.bytes === plane.bytesPerStep) continue;
      keepAlpha(plane, converted, area, alpha);
    }
    copyChanges(plane, converted, { area, inside, changed, width, height });
  }
}

/** Gives converted pixels, which are opaque, the transparency of those that they will replace. */
function keepAlpha(plane: Plane, converted: Plane, area: Rectangle, alpha: AlphaLayout): void {
  const step = plane.bytesPerStep;
  const columns = Math.min(converted.columns, plane.columns - area.x);
  for (let row = 0; row < Math.min(converted.rows, plane.rows - area.y); row++) {
    let from = (area.y + row) * plane.stride + area.x * step + alpha.offset;
    let to = row * converted.stride + alpha.offset;
    for (let column = 0; column < columns; column++, from += step, to += step) {
      plane.data.copy(converted.data, to, from, from + alpha.bytes);
    }
  }
}

/** Writes the patch into RGB and marks the pixels of it (one byte each) that differ. */
function overlayChanges(rgb: Plane, patch: ImagePatch, inside: Rectangle): Uint8Array {
  const { data, stride, columns } = rgb;
  const changed = new Uint8Array(columns * rgb.rows);
  let from = 0;
  for (let row = inside.y; row < inside.y + inside.height; row++) {
    let pixel = row * columns + inside.x;
    let to = row * stride + inside.x * 3;
    for (let column = 0; column < inside.width; column++, pixel++, from += 3, to += 3) {
      const red = patch.data[from] as number;
      const green = patch.data[from + 1] as number;
      const blue = patch.data[from + 2] as number;
      if (data[to] === red && data[to + 1] === green && data[to + 2] === blue) continue;
      data[to] = red;
      data[to + 1] = green;
      data[to + 2] = blue;
      changed[pixel] = 1;
    }
  }
  return changed;
}

/** Repeats the last column and row of the frame where the area goes past them. */
function repeatEdges(rgb: Plane, width: number, height: number): void {
  const { data, stride, columns, rows } = rgb;
  for (let row = 0; row < Math.min(rows, height); row++) {
    const last = row * stride + (width - 1) * 3;
    for (let column = width; column < columns; column++) {
      data.copyWithin(row * stride + column * 3, last, last + 3);
    }
  }
  for (let row = height; row < rows; row++) {
    const last = (height - 1) * stride;
    data.copyWithin(row * stride, last, last + columns * 3);
  }
}

interface Changes {
  /** The converted area in the frame, and the patch in the area. */
  readonly area: Rectangle;
  readonly inside: Rectangle;
  /** One byte per pixel of the area. */
  readonly changed: Uint8Array;
  /** Size of the frame: at its odd edges a chroma sample covers less. */
  readonly width: number;
  readonly height: number;
}

/** Steps of a plane that lie wholly in the patch along one axis: `[first, end)`. */
function wholeSteps(
  start: number,
  length: number,
  shift: number,
  areaStart: number,
  frameLength: number,
): readonly [number, number] {
  const step = 1 << shift;
  const first = Math.ceil(start / step);
  const end = start + length;
  const atFrameEdge = areaStart + end === frameLength;
  return [first, atFrameEdge ? Math.ceil(end / step) : Math.floor(end / step)];
}

function copyChanges(plane: Plane, converted: Plane, changes: Changes): void {
  const { area, inside } = changes;
  const [left, right] = wholeSteps(inside.x, inside.width, plane.shiftX, area.x, changes.width);
  const [top, bottom] = wholeSteps(inside.y, inside.height, plane.shiftY, area.y, changes.height);
  const step = plane.bytesPerStep;
  const offset = (area.y >> plane.shiftY) * plane.stride + (area.x >> plane.shiftX) * step;
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      if (!stepChanged(changes, plane, column, row)) continue;
      let end = column + 1;
      while (end < right && stepChanged(changes, plane, end, row)) end += 1;
      const from = row * converted.stride + column * step;
      const to = offset + row * plane.stride + column * step;
      plane.data.set(converted.data.subarray(from, from + (end - column) * step), to);
      column = end;
    }
  }
}

/** Whether any pixel under a sample changed. */
function stepChanged(changes: Changes, plane: Plane, column: number, row: number): boolean {
  const { area, changed } = changes;
  const right = Math.min((column + 1) << plane.shiftX, area.width);
  const bottom = Math.min((row + 1) << plane.shiftY, area.height);
  for (let y = row << plane.shiftY; y < bottom; y++) {
    for (let x = column << plane.shiftX; x < right; x++) {
      if (changed[y * area.width + x] === 1) return true;
    }
  }
  return false;
}
