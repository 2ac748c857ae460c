/** How well a generated mouth's colour goes with the frame's around it. */

/** Side of a stretch of the edge, as a part of the square's. */
const STRETCH = 1 / 16;

/** A face as it is in the model's square, and as it was in the source. */
export interface FacePair {
  /** `[3, R, R]` uint8, RGB planes. */
  readonly generated: Uint8Array;
  /** `[3, R, R]` uint8, RGB planes. */
  readonly source: Uint8Array;
}

/**
 * Step of colour at the edge of the generated region, 0 to 255: over stretches of a sixteenth of the
 * side, the mean of how far the mean colour of the generated pixels that touch kept ones is from the
 * source's there, where a face that fits has the same skin. Grain averages out; a step does not.
 * @param mask `[R, R]` float32: 1 = keep, 0 = generate.
 */
export function edgeColourDifference({ generated, source }: FacePair, mask: Float32Array): number {
  const stretches = edgeStretches(mask);
  const plane = mask.length;
  let sum = 0;
  let pixels = 0;
  for (let start = 0; start < generated.length; start += plane) {
    for (const stretch of stretches) {
      let difference = 0;
      for (const index of stretch) {
        difference += (generated[start + index] as number) - (source[start + index] as number);
      }
      sum += Math.abs(difference);
      pixels += stretch.length;
    }
  }
  return pixels === 0 ? 0 : sum / pixels;
}

/** Generated pixels beside kept ones, by the squares that they lie in. */
function edgeStretches(mask: Float32Array): readonly (readonly number[])[] {
  const resolution = Math.sqrt(mask.length);
  const side = Math.max(1, Math.round(resolution * STRETCH));
  const perRow = Math.ceil(resolution / side);
  const stretches = new Map<number, number[]>();
  const isKept = (index: number): boolean => (mask[index] ?? 0) >= 0.5;
  for (const index of mask.keys()) {
    const neighbours = [index - 1, index + 1, index - resolution, index + resolution];
    if (isKept(index) || !neighbours.some(isKept)) continue;
    const [x, y] = [index % resolution, Math.floor(index / resolution)];
    const key = Math.floor(y / side) * perRow + Math.floor(x / side);
    stretches.set(key, [...(stretches.get(key) ?? []), index]);
  }
  return [...stretches.values()];
}
