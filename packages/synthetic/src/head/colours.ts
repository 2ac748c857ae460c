/** Colours as `#rrggbb`. */

type Channels = readonly [red: number, green: number, blue: number];

function channels(colour: string): Channels {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function colourOf(values: Channels): string {
  const text = values.map((value) =>
    Math.round(Math.min(Math.max(value, 0), 255))
      .toString(16)
      .padStart(2, "0"),
  );
  return `#${text.join("")}`;
}

/** `share` of `second` in `first`, 0 to 1. */
export function mix(first: string, second: string, share: number): string {
  const [a, b] = [channels(first), channels(second)];
  const at = (index: 0 | 1 | 2): number => a[index] + (b[index] - a[index]) * share;
  return colourOf([at(0), at(1), at(2)]);
}

/** In shadow: `light` 1 = unchanged; blue fades first, as on skin. */
export function shaded(colour: string, light: number): string {
  const [red, green, blue] = channels(colour);
  return colourOf([red * light, green * light ** 1.18, blue * light ** 1.3]);
}

/** A colour of a ramp at `position`, 0 to 1. */
export function rampColour(ramp: readonly string[], position: number): string {
  const scaled = Math.min(Math.max(position, 0), 1) * (ramp.length - 1);
  const index = Math.min(Math.floor(scaled), ramp.length - 2);
  return mix(ramp[index] as string, ramp[index + 1] as string, scaled - index);
}
