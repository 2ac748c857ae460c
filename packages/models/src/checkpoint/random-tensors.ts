import { LatentSyncError } from "@ls/core";
import type { TensorEntry, TensorSource } from "./tensor-source.ts";

/** What a random source holds: names and shapes. */
export type TensorTable = ReadonlyMap<string, readonly number[]>;

/** A seed of its own for each name (FNV-1a), so that the order of reading does not matter. */
function seedOf(name: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash === 0 ? 1 : hash;
}

/** Middle of the values, and how far they spread: about what a trained network has. */
function distribution(
  name: string,
  shape: readonly number[],
): { readonly middle: number; readonly spread: number } {
  const isGain = shape.length === 1 && name.endsWith("weight");
  if (isGain) return { middle: 1, spread: 0.1 };
  if (shape.length < 2) return { middle: 0, spread: 0.02 };
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
  // Uniform in +-1/sqrt(fan in) shrinks signals by sqrt(3): deep networks stay finite in float16.
  return { middle: 0, spread: 1 / Math.sqrt(Math.max(1, fanIn)) };
}

/** `count` uniform values in `middle` +- `spread` (xorshift32). */
function draw(count: number, seed: number, middle: number, spread: number): Float32Array {
  const values = new Float32Array(count);
  const scale = (2 * spread) / 0x100000000;
  const start = middle - spread;
  let state = seed;
  for (let index = 0; index < count; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[index] = start + (state >>> 0) * scale;
  }
  return values;
}

/**
 * Tensors with seeded random values of small variance, made when they are read: a checkpoint of
 * any size without a file. The same name, shape and seed give the same values.
 */
export function createRandomTensors(
  table: TensorTable,
  options: { readonly seed?: number } = {},
): TensorSource {
  const { seed = 0 } = options;
  const entries = new Map<string, TensorEntry>();
  for (const [name, shape] of table) entries.set(name, { name, dtype: "float32", shape });
  return {
    entries,
    readFloat32(name: string): Promise<Float32Array> {
      const shape = table.get(name);
      if (shape === undefined) {
        return Promise.reject(
          new LatentSyncError("invalid_model", `There is no random tensor named ${name}.`, {
            hint: "Make the table for the network that is built.",
          }),
        );
      }
      const count = shape.reduce((product, size) => product * size, 1);
      const { middle, spread } = distribution(name, shape);
      return Promise.resolve(draw(count, seedOf(name, seed), middle, spread));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
