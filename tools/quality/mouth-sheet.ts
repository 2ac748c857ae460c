/** Mouths of the presets beside each other, so that a person can look. */
import type { RgbImage } from "@ls/core";
import { createFfmpegVideoSource } from "@ls/video";
import type { TestClip } from "./test-clip.ts";

/** Columns. */
const FRAMES = 8;
const TILE = 112;

/** A row: its video, of a clip. */
export interface MouthRow {
  readonly clip: TestClip;
  readonly path: string;
}

/** One row for each video: its mouth at moments spread over the clip, in squares of {@link TILE}. */
export async function drawMouths(rows: readonly MouthRow[]): Promise<RgbImage> {
  const [width, height] = [FRAMES * TILE, rows.length * TILE];
  const data = new Uint8Array(3 * width * height);
  for (const [row, { clip, path }] of rows.entries()) {
    await using video = await createFfmpegVideoSource().open(path);
    let index = -1;
    for await (const decoded of video.frames()) {
      using frame = decoded;
      index += 1;
      const column = columnOf(index, clip.mouths.length);
      const mouth = clip.mouths[index];
      if (column === undefined || mouth === undefined) continue;
      const side = Math.max(mouth.width, mouth.height);
      const crop = {
        x: Math.min(Math.max(0, mouth.x + ((mouth.width - side) >> 1)), frame.width - side),
        y: Math.min(Math.max(0, mouth.y + ((mouth.height - side) >> 1)), frame.height - side),
        width: side,
        height: side,
      };
      place(await frame.toRgb(crop), data, { width, left: column * TILE, top: row * TILE });
    }
  }
  return { width, height, data };
}

/** The column that shows this frame, if one does: the middles of equal parts. */
function columnOf(frame: number, frames: number): number | undefined {
  const column = Math.floor((frame * FRAMES) / frames);
  return frame === Math.floor(((column + 0.5) * frames) / FRAMES) ? column : undefined;
}

/** By nearest pixels: what is enlarged stays as it is. */
function place(
  tile: RgbImage,
  data: Uint8Array,
  at: { readonly width: number; readonly left: number; readonly top: number },
): void {
  for (let y = 0; y < TILE; y++) {
    for (let x = 0; x < TILE; x++) {
      const sourceY = Math.floor((y * tile.height) / TILE);
      const sourceX = Math.floor((x * tile.width) / TILE);
      const source = 3 * (sourceY * tile.width + sourceX);
      const target = 3 * ((at.top + y) * at.width + at.left + x);
      data.set(tile.data.subarray(source, source + 3), target);
    }
  }
}
