/**
 * Puts an RGB patch into a frame of any pixel format. Only what the patch changes is touched:
 * a pixel whose RGB is as it was keeps its samples bit for bit, and so does all outside the patch.
 * A chroma sample that also belongs to pixels outside the patch is left alone.
 */
import type { ImagePatch, Rectangle, RgbImage, VideoFrame } from "@ls/core";
import type { AVPixelFormat } from "node-av/constants";
import type { Frame } from "node-av/lib";
import type { ColourEncoding } from "./colour.ts";
import {
  allocateFrame,
  convertFrame,
  copyColourTags,
  expandRegion,
  framePlanes,
  type Plane,
  rgbFrame,
  tagEncoding,
} from "./native-frame.ts";

/** Applies `patch` to `native`, the writable copy of `frame`. */
export async function applyPatch(
  native: Frame,
  frame: VideoFrame & { readonly encoding: ColourEncoding },
  patch: ImagePatch,
): Promise<void> {
  // Chroma at the patch's edge is filtered over its surroundings.
  const area = expandRegion(patch, frame.width, frame.height);
  const image = await frame.toRgb(area);
  const inside: Rectangle = { ...patch, x: patch.x - area.x, y: patch.y - area.y };
  const changed = overlayChanges(image, patch, inside);
  using source = rgbFrame(image.data, area.width, area.height);
  using target = allocateFrame(native.format as AVPixelFormat, area.width, area.height);
  copyColourTags(target, native);
  copyColourTags(source, native);
  tagEncoding(target, frame.encoding);
  await convertFrame(target, source);
  const planes = framePlanes(native);
  for (const [index, converted] of framePlanes(target).entries()) {
    const plane = planes[index] as Plane;
    if (isAlpha(index, planes.length)) continue;
    copyChanges(plane, converted, {
      area,
      inside,
      changed,
      width: frame.width,
      height: frame.height,
    });
  }
}

function isAlpha(index: number, count: number): boolean {
  return index === 3 && count === 4;
}

/** Writes the patch into `image` and marks the pixels of it (one byte each) that differ. */
function overlayChanges(image: RgbImage, patch: ImagePatch, inside: Rectangle): Uint8Array {
  const { data } = image;
  const changed = new Uint8Array(image.width * image.height);
  let from = 0;
  for (let row = 0; row < inside.height; row++) {
    let pixel = (inside.y + row) * image.width + inside.x;
    for (let column = 0; column < inside.width; column++, pixel++, from += 3) {
      const to = pixel * 3;
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
