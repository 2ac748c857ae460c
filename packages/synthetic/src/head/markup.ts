/** SVG text: numbers short enough for speed, smooth curves through points. */
import type { Point } from "@ls/core";

/** Template tag for SVG text; numbers get at most four decimals. */
export function svg(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  let markup = texts[0] as string;
  for (const [index, value] of values.entries()) {
    markup += typeof value === "number" ? Math.round(value * 1e4) / 1e4 : value;
    markup += texts[index + 1] as string;
  }
  return markup;
}

/** The right half of an outline, from a point on the axis to another, made whole. */
export function mirrored(right: readonly Point[]): readonly Point[] {
  const left = right.slice(1, -1).map(([x, y]): Point => [-x, y]);
  return [...right, ...left.toReversed()];
}

/** Path data of a closed Catmull-Rom spline. */
export function closedCurve(points: readonly Point[]): string {
  const count = points.length;
  const at = (index: number): Point => points[(index + count) % count] as Point;
  const [startX, startY] = at(0);
  let path = svg`M${startX} ${startY}`;
  for (let index = 0; index < count; index++) {
    const [beforeX, beforeY] = at(index - 1);
    const [x, y] = at(index);
    const [nextX, nextY] = at(index + 1);
    const [afterX, afterY] = at(index + 2);
    path += svg`C${x + (nextX - beforeX) / 6} ${y + (nextY - beforeY) / 6} `;
    path += svg`${nextX - (afterX - x) / 6} ${nextY - (afterY - y) / 6} ${nextX} ${nextY}`;
  }
  return `${path}Z`;
}

/** A cubic curve between two points on one level, symmetric to x = 0, with its middle at `middleY`. */
export function arch(half: number, levelY: number, middleY: number, fullness: number): string {
  const controlY = (4 * middleY - levelY) / 3;
  return svg`C${-half * fullness} ${controlY} ${half * fullness} ${controlY} ${half} ${levelY}`;
}

/** The point at `t`, 0 to 0.5, of an {@link arch}, on its right side. */
export function archPoint(
  half: number,
  levelY: number,
  middleY: number,
  fullness: number,
  t: number,
): Point {
  const controlY = (4 * middleY - levelY) / 3;
  const ends = (1 - t) ** 3 + t ** 3;
  const x = half * ((1 - t) ** 3 - t ** 3 + 3 * fullness * t * (1 - t) * (1 - 2 * t));
  return [x, levelY * ends + controlY * 3 * t * (1 - t)];
}
