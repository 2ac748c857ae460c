/** What a camera adds to a picture: softness, exposure, colour cast and noise. */
import { LatentSyncError, type RgbImage } from "@ls/core";
import { RandomNumbers } from "../random.ts";

export interface CameraOptions {
  /** Of the noise: another one for every frame. */
  readonly seed: number;
  /** Standard deviation of the noise in 8-bit levels. Default 0. */
  readonly noise?: number;
  /** In stops: 1 doubles the light. Default 0. */
  readonly exposure?: number;
  /** Gains of red, green and blue. Default 1, 1, 1. */
  readonly colourCast?: readonly [red: number, green: number, blue: number];
  /** Standard deviation of the blur in pixels. Default 0. */
  readonly softness?: number;
}

const LARGEST_SOFTNESS = 8;
/** Of a difference of two uniform numbers in [0, 1). */
const TRIANGLE_DEVIATION = Math.sqrt(1 / 6);

/**
 * A copy of `image` as a camera sees it.
 * @throws LatentSyncError `invalid_argument`
 */
export function applyCamera(image: RgbImage, options: CameraOptions): RgbImage {
  const { seed, noise = 0, exposure = 0, colourCast = [1, 1, 1], softness = 0 } = options;
  checkRange("noise", noise, 0, 128);
  checkRange("exposure", exposure, -4, 4);
  checkRange("softness", softness, 0, LARGEST_SOFTNESS);
  for (const gain of colourCast) checkRange("colourCast", gain, 0, 4);
  if (image.data.length !== image.width * image.height * 3) {
    throw new LatentSyncError(
      "invalid_argument",
      `applyCamera: a picture of ${image.width} x ${image.height} must have ${image.width * image.height * 3} bytes of RGB, got ${image.data.length}.`,
      { hint: "Pass interleaved RGB without padding." },
    );
  }
  const source = softness === 0 ? image.data : blurred(image, softness);
  const gains = colourCast.map((gain) => gain * 2 ** exposure);
  const random = new RandomNumbers(seed);
  const strength = noise / TRIANGLE_DEVIATION;
  const data = new Uint8Array(source.length);
  for (let index = 0; index < data.length; index++) {
    const grain = strength === 0 ? 0 : strength * (random.next() - random.next());
    const value = (source[index] as number) * (gains[index % 3] as number) + grain + 0.5;
    data[index] = Math.min(Math.max(value, 0), 255);
  }
  return { width: image.width, height: image.height, data };
}

function checkRange(name: string, value: number, low: number, high: number): void {
  if (value >= low && value <= high) return;
  throw new LatentSyncError(
    "invalid_argument",
    `applyCamera: ${name} must be from ${low} to ${high}, got ${value}.`,
    { hint: "Leave the option out for none of this effect." },
  );
}

/** A Gaussian blur; edges repeat. */
function blurred({ width, height, data }: RgbImage, deviation: number): Float32Array {
  const reach = Math.max(Math.ceil(deviation * 2.5), 1);
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, index) =>
    Math.exp(-((index - reach) ** 2) / (2 * deviation ** 2)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const kernel = weights.map((weight) => weight / total);
  const across = { count: width, stride: 3, lines: height, lineStride: width * 3 };
  const rows = blurAlong(Float32Array.from(data), across, kernel);
  return blurAlong(rows, { count: height, stride: width * 3, lines: width, lineStride: 3 }, kernel);
}

interface Lines {
  /** Pixels of a line and the distance between them in `data`. */
  readonly count: number;
  readonly stride: number;
  readonly lines: number;
  readonly lineStride: number;
}

function blurAlong(
  data: Float32Array,
  { count, stride, lines, lineStride }: Lines,
  kernel: Float64Array,
): Float32Array {
  const reach = (kernel.length - 1) / 2;
  const offsets = Int32Array.from(
    { length: count + 2 * reach },
    (_, index) => Math.min(Math.max(index - reach, 0), count - 1) * stride,
  );
  const result = new Float32Array(data.length);
  for (let line = 0; line < lines; line++) {
    for (let channel = 0; channel < 3; channel++) {
      const start = line * lineStride + channel;
      for (let index = 0; index < count; index++) {
        let sum = 0;
        for (let tap = 0; tap < kernel.length; tap++) {
          const offset = offsets[index + tap] as number;
          sum += (kernel[tap] as number) * (data[start + offset] as number);
        }
        result[start + index * stride] = sum;
      }
    }
  }
  return result;
}
