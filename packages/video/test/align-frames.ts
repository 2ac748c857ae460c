/** Pictures for the tests of the aligner: the reference clip's frames, and drawn ones. */
import type { ImagePatch, Rectangle, RgbImage } from "@ls/core";
import { Decoder, Demuxer } from "node-av/api";

/** The first `count` frames of a lossless `bgr0` clip. */
export async function readRgbFrames(path: string, count: number): Promise<RgbImage[]> {
  await using input = await Demuxer.open(path);
  const stream = input.video();
  if (stream === undefined) throw new Error(`${path} has no video.`);
  using decoder = await Decoder.create(stream);
  const images: RgbImage[] = [];
  for await (using frame of decoder.frames(input.packets(stream.index))) {
    if (frame === null) continue;
    const { width, height } = frame;
    const pixels = frame.toBuffer();
    const data = new Uint8Array(width * height * 3);
    for (let index = 0; index < width * height; index++) {
      data[index * 3] = pixels[index * 4 + 2]!;
      data[index * 3 + 1] = pixels[index * 4 + 1]!;
      data[index * 3 + 2] = pixels[index * 4]!;
    }
    images.push({ width, height, data });
    if (images.length === count) break;
  }
  return images;
}

/** Numbers in [0, 1) that depend on `seed` alone. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** Waves with noise on them. */
export function drawFrame(width: number, height: number, seed: number): RgbImage {
  const random = randomNumbers(seed);
  const data = new Uint8Array(width * height * 3);
  for (let index = 0; index < data.length; index++) {
    const x = Math.floor(index / 3) % width;
    const y = Math.floor(index / 3 / width);
    data[index] = 128 + 90 * Math.sin(x / 17 + index) * Math.cos(y / 23) + (random() - 0.5) * 70;
  }
  return { width, height, data };
}

/** `[3, resolution, resolution]`, somewhat outside [-1, 1] in places. */
export function drawFace(resolution: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from(
    { length: 3 * resolution * resolution },
    (_, index) => Math.sin(index / 37) * 0.9 + (random() - 0.5) * 0.5,
  );
}

export function cutPatch(frame: RgbImage, region: Rectangle): ImagePatch {
  const { x, y, width, height } = region;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * frame.width + x) * 3;
    data.set(frame.data.subarray(from, from + width * 3), row * width * 3);
  }
  return { x, y, width, height, data };
}

/** The frame with `patch` over it. */
export function putPatch(frame: RgbImage, patch: ImagePatch): RgbImage {
  const data = Uint8Array.from(frame.data);
  for (let row = 0; row < patch.height; row++) {
    const from = row * patch.width * 3;
    data.set(
      patch.data.subarray(from, from + patch.width * 3),
      ((patch.y + row) * frame.width + patch.x) * 3,
    );
  }
  return { ...frame, data };
}

export interface PixelDifference {
  readonly meanAbsolute: number;
  readonly maxAbsolute: number;
  /** Share of the values that are off by more than 2. */
  readonly shareOverTwo: number;
}

export function pixelDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): PixelDifference {
  if (actual.length !== expected.length) {
    throw new Error(`Cannot compare ${actual.length} values with ${expected.length}.`);
  }
  let sum = 0;
  let most = 0;
  let over = 0;
  for (let index = 0; index < actual.length; index++) {
    const delta = Math.abs(actual[index]! - expected[index]!);
    sum += delta;
    if (delta > 2) over++;
    most = Math.max(most, delta);
  }
  return {
    meanAbsolute: sum / actual.length,
    maxAbsolute: most,
    shareOverTwo: over / actual.length,
  };
}
