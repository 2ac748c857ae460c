/** Brings parts of a frame to the square float images that networks take. */
import type { ImagePatch, Rectangle, RgbImage } from "@ls/core";

/** A part of a frame, which knows the size of the whole. */
export interface FramePart extends ImagePatch {
  readonly frameWidth: number;
  readonly frameHeight: number;
}

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
/** Pixels that one bilinear sample covers along an axis. */
const BILINEAR_REACH = 2;

/** A whole frame as a part of itself. */
export function wholeFrame(image: RgbImage): FramePart {
  const { width, height } = image;
  return { ...image, x: 0, y: 0, frameWidth: width, frameHeight: height };
}

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
  const output = new Float32Array(outputSize * outputSize * 3);
  const step = square.size / outputSize;
  const samples = Math.min(MAX_SAMPLES_PER_AXIS, Math.max(1, Math.ceil(step)));
  const columns = samplePositions(square.left, step, outputSize, samples, image.width);
  const rows = samplePositions(square.top, step, outputSize, samples, image.height);
  const gain = 1 / (127.5 * samples * samples);
  const { data, width } = image;
  let target = 0;
  for (let y = 0; y < outputSize; y++) {
    for (let x = 0; x < outputSize; x++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = y * samples; row < (y + 1) * samples; row++) {
        const rowIndex = rows[row] as number;
        if (rowIndex < 0) continue;
        const start = rowIndex * width * 3;
        for (let column = x * samples; column < (x + 1) * samples; column++) {
          const columnIndex = columns[column] as number;
          if (columnIndex < 0) continue;
          const source = start + columnIndex * 3;
          red += data[source] as number;
          green += data[source + 1] as number;
          blue += data[source + 2] as number;
        }
      }
      output[target++] = red * gain - 1;
      output[target++] = green * gain - 1;
      output[target++] = blue * gain - 1;
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
  const positions = new Int32Array(outputSize * samples);
  for (let index = 0; index < positions.length; index++) {
    const position = Math.floor(start + ((index + 0.5) * step) / samples);
    positions[index] = position < 0 || position >= limit ? -1 : position;
  }
  return positions;
}

/**
 * As {@link sampleUprightSquare} for a square that is turned.
 * @returns `[outputSize, outputSize, 3]` float32 in [-1, 1].
 */
export function sampleTurnedSquare(
  { data, width, height }: RgbImage,
  { centerX, centerY, size, angle }: RotatedSquare,
  outputSize: number,
): Float32Array {
  const output = new Float32Array(outputSize * outputSize * 3).fill(-1);
  const samples = clamp(Math.ceil(size / outputSize), 1, MAX_SAMPLES_PER_AXIS);
  const step = size / outputSize / samples;
  const [cosine, sine] = [Math.cos(angle) * step, Math.sin(angle) * step];
  const count = outputSize * samples;
  const gain = 1 / (127.5 * samples * samples);
  for (let row = 0; row < count; row++) {
    const v = row + 0.5 - count / 2;
    const line = Math.floor(row / samples) * outputSize;
    for (let column = 0; column < count; column++) {
      const u = column + 0.5 - count / 2;
      const x = Math.floor(centerX + u * cosine - v * sine);
      const y = Math.floor(centerY + u * sine + v * cosine);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const source = (y * width + x) * 3;
      const target = (line + Math.floor(column / samples)) * 3;
      output[target] = (output[target] as number) + (data[source] as number) * gain;
      output[target + 1] = (output[target + 1] as number) + (data[source + 1] as number) * gain;
      output[target + 2] = (output[target + 2] as number) + (data[source + 2] as number) * gain;
    }
  }
  return output;
}

/**
 * The pixels of a frame that {@link sampleRotatedSquare} reads for any of these squares.
 * @returns a rectangle inside the frame.
 */
export function rectangleAround(
  squares: readonly RotatedSquare[],
  frame: { readonly width: number; readonly height: number },
): Rectangle {
  let [left, top, right, bottom] = [frame.width, frame.height, 0, 0];
  for (const { centerX, centerY, size, angle } of squares) {
    const reach = (size / 2) * (Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle))) + 1;
    left = Math.min(left, centerX - reach);
    right = Math.max(right, centerX + reach);
    top = Math.min(top, centerY - reach);
    bottom = Math.max(bottom, centerY + reach);
  }
  const x = clamp(Math.floor(left), 0, frame.width - 1);
  const y = clamp(Math.floor(top), 0, frame.height - 1);
  return {
    x,
    y,
    width: clamp(Math.ceil(right), x + 1, frame.width) - x,
    height: clamp(Math.ceil(bottom), y + 1, frame.height) - y,
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/**
 * Cuts a rotated square out, upright, with bilinear samples (up to 4x4 averaged where it shrinks to less than half);
 * beyond the frame its edge pixels go on.
 * @param part holds {@link rectangleAround} the square at least.
 * @returns `[outputSize, outputSize, 3]` float32 in [0, 1].
 */
export function sampleRotatedSquare(
  part: FramePart,
  square: RotatedSquare,
  outputSize: number,
): Float32Array {
  const output = new Float32Array(outputSize * outputSize * 3);
  const { data } = part;
  const stride = part.width * 3;
  const lastX = part.frameWidth - 1;
  const lastY = part.frameHeight - 1;
  const scale = square.size / outputSize;
  const samples = clamp(Math.ceil(scale / BILINEAR_REACH), 1, MAX_SAMPLES_PER_AXIS);
  const stepX = (Math.cos(square.angle) * scale) / samples;
  const stepY = (Math.sin(square.angle) * scale) / samples;
  const middle = (outputSize * samples) / 2 - 0.5;
  const gain = 1 / (255 * samples * samples);
  let target = 0;
  for (let outputY = 0; outputY < outputSize; outputY++) {
    for (let outputX = 0; outputX < outputSize; outputX++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = 0; row < samples; row++) {
        const dv = outputY * samples + row - middle;
        for (let column = 0; column < samples; column++) {
          const du = outputX * samples + column - middle;
          const x = square.centerX + du * stepX - dv * stepY - 0.5;
          const y = square.centerY + du * stepY + dv * stepX - 0.5;
          const insideX = x < 0 ? 0 : x > lastX ? lastX : x;
          const insideY = y < 0 ? 0 : y > lastY ? lastY : y;
          const x0 = insideX | 0;
          const y0 = insideY | 0;
          const fractionX = insideX - x0;
          const fractionY = insideY - y0;
          const at = (y0 - part.y) * stride + (x0 - part.x) * 3;
          const right = x0 < lastX ? at + 3 : at;
          const below = y0 < lastY ? stride : 0;
          const weight11 = fractionX * fractionY;
          const weight10 = fractionY - weight11;
          const weight01 = fractionX - weight11;
          const weight00 = 1 - fractionX - weight10;
          red +=
            (data[at] as number) * weight00 +
            (data[right] as number) * weight01 +
            (data[at + below] as number) * weight10 +
            (data[right + below] as number) * weight11;
          green +=
            (data[at + 1] as number) * weight00 +
            (data[right + 1] as number) * weight01 +
            (data[at + below + 1] as number) * weight10 +
            (data[right + below + 1] as number) * weight11;
          blue +=
            (data[at + 2] as number) * weight00 +
            (data[right + 2] as number) * weight01 +
            (data[at + below + 2] as number) * weight10 +
            (data[right + below + 2] as number) * weight11;
        }
      }
      output[target++] = red * gain;
      output[target++] = green * gain;
      output[target++] = blue * gain;
    }
  }
  return output;
}
