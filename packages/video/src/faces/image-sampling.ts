/** Brings parts of a frame to the square float images that networks take. */
import type { RgbImage } from "@ls/core";

/** A rotated square; the centre is continuous: the middle of the top-left pixel is (0.5, 0.5). */
export interface RotatedSquare {
  readonly centerX: number;
  readonly centerY: number;
  /** Side in pixels of the frame. */
  readonly size: number;
  /** Clockwise on the screen, in radians. */
  readonly angle: number;
}

/** An upright square of the frame, which it may exceed; left and top are continuous. */
export interface UprightSquare {
  readonly left: number;
  readonly top: number;
  readonly size: number;
}

const MAX_SAMPLES_PER_AXIS = 4;

/**
 * Shrinks an upright square by averaging up to 4x4 pixels of the frame for each of the output;
 * what lies outside the frame is black.
 * @returns `[outputSize, outputSize, 3]` float32 in [-1, 1].
 */
export function sampleUprightSquare(
  image: RgbImage,
  square: UprightSquare,
  outputSize: number,
): Float32Array {
  const output = new Float32Array(outputSize * outputSize * 3).fill(-1);
  const step = square.size / outputSize;
  const samples = Math.min(MAX_SAMPLES_PER_AXIS, Math.max(1, Math.ceil(step)));
  const columns = samplePositions(square.left, step, outputSize, samples, image.width);
  const rows = samplePositions(square.top, step, outputSize, samples, image.height);
  const gain = 1 / (127.5 * samples * samples);
  for (let y = 0; y < outputSize; y++) {
    for (let x = 0; x < outputSize; x++) {
      const target = (y * outputSize + x) * 3;
      for (let row = y * samples; row < (y + 1) * samples; row++) {
        const rowIndex = rows[row] as number;
        if (rowIndex < 0) continue;
        for (let column = x * samples; column < (x + 1) * samples; column++) {
          const columnIndex = columns[column] as number;
          if (columnIndex < 0) continue;
          const source = (rowIndex * image.width + columnIndex) * 3;
          output[target] = (output[target] as number) + (image.data[source] as number) * gain;
          output[target + 1] =
            (output[target + 1] as number) + (image.data[source + 1] as number) * gain;
          output[target + 2] =
            (output[target + 2] as number) + (image.data[source + 2] as number) * gain;
        }
      }
    }
  }
  return output;
}

/** Pixel under each sample along one axis, -1 where there is none. */
function samplePositions(
  start: number,
  step: number,
  outputSize: number,
  samples: number,
  limit: number,
): Int32Array {
  return Int32Array.from({ length: outputSize * samples }, (_, index) => {
    const position = Math.floor(start + ((index + 0.5) * step) / samples);
    return position < 0 || position >= limit ? -1 : position;
  });
}

/**
 * Cuts a rotated square out, upright, with bilinear samples (up to 4x4 averaged where it shrinks);
 * beyond the frame its edge pixels go on.
 * @returns `[outputSize, outputSize, 3]` float32 in [0, 1].
 */
export function sampleRotatedSquare(
  image: RgbImage,
  square: RotatedSquare,
  outputSize: number,
): Float32Array {
  const output = new Float32Array(outputSize * outputSize * 3);
  const scale = square.size / outputSize;
  const samples = Math.min(MAX_SAMPLES_PER_AXIS, Math.max(1, Math.round(scale)));
  const stepX = (Math.cos(square.angle) * scale) / samples;
  const stepY = (Math.sin(square.angle) * scale) / samples;
  const count = outputSize * samples;
  const gain = 1 / (255 * samples * samples);
  for (let v = 0; v < count; v++) {
    const dv = v + 0.5 - count / 2;
    for (let u = 0; u < count; u++) {
      const du = u + 0.5 - count / 2;
      const x = square.centerX + du * stepX - dv * stepY - 0.5;
      const y = square.centerY + du * stepY + dv * stepX - 0.5;
      const target = (Math.floor(v / samples) * outputSize + Math.floor(u / samples)) * 3;
      addBilinear(image, x, y, gain, output, target);
    }
  }
  return output;
}

function addBilinear(
  { width, height, data }: RgbImage,
  x: number,
  y: number,
  gain: number,
  output: Float32Array,
  target: number,
): void {
  const clampedX = Math.min(Math.max(x, 0), width - 1);
  const clampedY = Math.min(Math.max(y, 0), height - 1);
  const x0 = Math.floor(clampedX);
  const y0 = Math.floor(clampedY);
  const fractionX = clampedX - x0;
  const fractionY = clampedY - y0;
  const right = x0 + 1 < width ? 3 : 0;
  const below = y0 + 1 < height ? width * 3 : 0;
  const source = (y0 * width + x0) * 3;
  const weight00 = (1 - fractionX) * (1 - fractionY) * gain;
  const weight01 = fractionX * (1 - fractionY) * gain;
  const weight10 = (1 - fractionX) * fractionY * gain;
  const weight11 = fractionX * fractionY * gain;
  for (let channel = 0; channel < 3; channel++) {
    const at = source + channel;
    output[target + channel] =
      (output[target + channel] as number) +
      (data[at] as number) * weight00 +
      (data[at + right] as number) * weight01 +
      (data[at + below] as number) * weight10 +
      (data[at + below + right] as number) * weight11;
  }
}
