/** How the rectangles of faces lie to one another. */
import type { Rectangle } from "../image.ts";

/** Intersection over union, 0 to 1. */
export function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

/** Side of the square of the same area. */
export function sideOf({ width, height }: Rectangle): number {
  return Math.sqrt(width * height);
}

/** Distance of the centres, in sides of `a`. */
export function shift(a: Rectangle, b: Rectangle): number {
  const x = a.x + a.width / 2 - b.x - b.width / 2;
  const y = a.y + a.height / 2 - b.y - b.height / 2;
  return Math.hypot(x, y) / sideOf(a);
}

/** How much the sides differ: the natural logarithm of the larger over the smaller. */
export function growth(a: Rectangle, b: Rectangle): number {
  return Math.abs(Math.log(sideOf(a) / sideOf(b)));
}

/** Distance from a point to a rectangle, 0 inside. */
export function distanceTo(box: Rectangle, x: number, y: number): number {
  return Math.hypot(
    Math.max(box.x - x, 0, x - box.x - box.width),
    Math.max(box.y - y, 0, y - box.y - box.height),
  );
}
