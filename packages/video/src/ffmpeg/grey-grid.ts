/** A coarse grey copy of a frame, read from its memory without a conversion. */
import type { Frame } from "node-av/lib";
import { framePlanes, layoutOf, type Plane } from "./native-frame.ts";

/** Pixels that are looked at along each side of a cell. */
const SAMPLES = 6;

/**
 * `[rows, columns]` means of the brightness, from 0, black: of luma, or of one colour where the frame
 * has RGB. Of a limited range it is not stretched.
 */
export function greyGrid(frame: Frame, columns: number, rows: number): Uint8Array {
  const { name, bits, planes } = layoutOf(frame);
  const plane = framePlanes(frame)[0] as Plane;
  // Formats of 10 and 12 bits that begin with a p hold them in the upper bits of 16.
  const storedBits = name.startsWith("p") ? 16 : bits;
  const read = bits > 8 ? wideReader(plane.data, storedBits - 8) : narrowReader(plane.data);
  // The second component of packed RGB is a colour in every order.
  const isPacked = planes.length === 1 && plane.bytesPerStep > 2;
  const first = isPacked ? (bits > 8 ? 2 : 1) : 0;
  const greys = new Uint8Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let sample = 0; sample < SAMPLES ** 2; sample++) {
        const down = row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES;
        const across = column + ((sample % SAMPLES) + 0.5) / SAMPLES;
        const y = Math.floor((down / rows) * plane.rows);
        const x = Math.floor((across / columns) * plane.columns);
        sum += read(first + y * plane.stride + x * plane.bytesPerStep);
      }
      greys[row * columns + column] = sum / SAMPLES ** 2;
    }
  }
  return greys;
}

type Reader = (offset: number) => number;

function narrowReader(data: Buffer): Reader {
  return (offset) => data[offset] as number;
}

function wideReader(data: Buffer, shift: number): Reader {
  return (offset) => data.readUInt16LE(offset) >> shift;
}
