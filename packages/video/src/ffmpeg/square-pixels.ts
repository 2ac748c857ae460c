/**
 * Frames whose pixels are not square, as seen by those who need square ones: filled in along the
 * longer side of a pixel. What changes there is brought back to the stored pixels as a difference, so
 * that pixels that do not change stay as they are.
 */
import type { ImagePatch, Rectangle, RgbImage } from "@ls/core";
import type { Frame, IRational } from "node-av/lib";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pixels this near to square ones are taken for such: sizes were rounded, no more. */
const NEARLY_SQUARE = 0.01;
/** Shapes beyond this are mistakes of the file. */
const MOST_ELONGATED = 4;

interface StoredPicture extends Size {
  readonly sampleAspectRatio: IRational;
}

/** Width of a pixel over its height; 1 where that says nothing or nothing that can be. */
function pixelShape({ sampleAspectRatio: { num, den } }: StoredPicture): number {
  const shape = num > 0 && den > 0 ? num / den : 1;
  const odd = Math.max(shape, 1 / shape);
  return odd < 1 + NEARLY_SQUARE || odd > MOST_ELONGATED ? 1 : shape;
}

export function isSquare(picture: StoredPicture): boolean {
  return pixelShape(picture) === 1;
}

/** Size of a picture in square pixels. */
export function displayedSize(picture: StoredPicture): Size {
  const shape = pixelShape(picture);
  return {
    width: Math.round(picture.width * Math.max(1, shape)),
    height: Math.round(picture.height * Math.max(1, 1 / shape)),
  };
}

/** Stored and displayed length of one side of a frame. */
interface Axis {
  readonly stored: number;
  readonly displayed: number;
}

function axesOf(frame: Frame): { readonly x: Axis; readonly y: Axis } {
  const { width, height } = displayedSize(frame);
  return {
    x: { stored: frame.width, displayed: width },
    y: { stored: frame.height, displayed: height },
  };
}

/** Where the middle of a displayed pixel lies among the middles of the stored ones. */
function storedPosition(axis: Axis, displayed: number): number {
  const position = ((displayed + 0.5) * axis.stored) / axis.displayed - 0.5;
  return Math.min(axis.stored - 1, Math.max(0, position));
}

function storedSpan(axis: Axis, start: number, length: number): readonly [number, number] {
  const first = Math.floor(storedPosition(axis, start));
  const last = Math.ceil(storedPosition(axis, start + length - 1));
  return [first, last - first + 1];
}

/** The stored pixels that a displayed region is made of. */
export function storedRegion(frame: Frame, region: Rectangle): Rectangle {
  const { x, y } = axesOf(frame);
  const [left, width] = storedSpan(x, region.x, region.width);
  const [top, height] = storedSpan(y, region.y, region.height);
  return { x: left, y: top, width, height };
}

/** `region` of the displayed picture. @param stored pixels of {@link storedRegion}, which is `area`. */
export function displayPixels(
  frame: Frame,
  stored: RgbImage,
  area: Rectangle,
  region: Rectangle,
): RgbImage {
  const axes = axesOf(frame);
  const { width, height } = region;
  const data = new Uint8Array(width * height * 3);
  const columns = Array.from({ length: width }, (_, column) =>
    storedPosition(axes.x, region.x + column),
  );
  let to = 0;
  for (let row = 0; row < height; row++) {
    const y = storedPosition(axes.y, region.y + row) - area.y;
    const top = Math.floor(y);
    const bottom = Math.min(top + 1, stored.height - 1);
    for (const position of columns) {
      const x = position - area.x;
      const left = Math.floor(x);
      const right = Math.min(left + 1, stored.width - 1);
      for (let channel = 0; channel < 3; channel++) {
        const at = (line: number, column: number): number =>
          stored.data[(line * stored.width + column) * 3 + channel] as number;
        const above = at(top, left) + (x - left) * (at(top, right) - at(top, left));
        const below = at(bottom, left) + (x - left) * (at(bottom, right) - at(bottom, left));
        data[to++] = Math.round(above + (y - top) * (below - above));
      }
    }
  }
  return { width, height, data };
}

/** Stored pixels that lie wholly in a displayed span: `[first, end)`. */
function wholePixels(axis: Axis, start: number, length: number): readonly [number, number] {
  const scale = axis.stored / axis.displayed;
  const first = Math.ceil(start * scale - 1e-6);
  return [first, Math.max(first, Math.floor((start + length) * scale + 1e-6))];
}

/** The stored pixels that a displayed patch covers wholly; its width or height may be 0. */
export function patchedRegion(frame: Frame, patch: Rectangle): Rectangle {
  const axes = axesOf(frame);
  const [left, right] = wholePixels(axes.x, patch.x, patch.width);
  const [top, bottom] = wholePixels(axes.y, patch.y, patch.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** Displayed pixels under a stored one, with their shares of it. */
function shares(axis: Axis, stored: number): readonly (readonly [number, number])[] {
  const scale = axis.displayed / axis.stored;
  const start = stored * scale;
  const end = start + scale;
  const found: [number, number][] = [];
  for (let at = Math.floor(start + 1e-6); at < end - 1e-6; at++) {
    found.push([at, (Math.min(at + 1, end) - Math.max(at, start)) / scale]);
  }
  return found;
}

/**
 * Brings a displayed patch to stored pixels.
 * @param shown the displayed pixels under the patch, as they are.
 * @param stored the stored pixels in `region`, which is {@link patchedRegion}'s, as they are.
 */
export function storedPatch(
  frame: Frame,
  patch: ImagePatch,
  shown: RgbImage,
  stored: RgbImage,
  region: Rectangle,
): ImagePatch {
  const axes = axesOf(frame);
  const { width, height } = region;
  const data = new Uint8Array(stored.data);
  const columns = Array.from({ length: width }, (_, column) => shares(axes.x, region.x + column));
  for (let row = 0; row < height; row++) {
    const lines = shares(axes.y, region.y + row);
    for (const [column, across] of columns.entries()) {
      for (let channel = 0; channel < 3; channel++) {
        let difference = 0;
        for (const [y, down] of lines) {
          for (const [x, share] of across) {
            const from = ((y - patch.y) * patch.width + x - patch.x) * 3 + channel;
            const change = (patch.data[from] as number) - (shown.data[from] as number);
            difference += change * down * share;
          }
        }
        const to = (row * width + column) * 3 + channel;
        const value = (data[to] as number) + Math.round(difference);
        data[to] = Math.min(255, Math.max(0, value));
      }
    }
  }
  return { ...region, data };
}
