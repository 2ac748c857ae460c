import { FF_ENCODER_FFV1 } from "node-av/constants";
import { expect, it } from "vitest";
import { createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { firstFrame, useFolder, writeVideo } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const [COLUMNS, ROWS] = [8, 6];

/** Darker to the left and top, in steps of 8 pixels, from 30 to 200. */
const step = (x: number, y: number): number => 30 + 20 * (x >> 3) + 4 * (y >> 3);

it.each(["yuv420p", "yuv420p10le", "yuv444p", "bgr0"])(
  "gives a coarse grey copy of %s",
  async (format) => {
    const path = file(`${format}.mkv`);
    await writeVideo({
      ...{ path, format, encoder: FF_ENCODER_FFV1, width: 64, height: 48, frameCount: 1 },
      pattern: (component, x, y) => (component > 0 && format.startsWith("yuv") ? 128 : step(x, y)),
    });
    await using reader = await createFfmpegVideoSource().open(path);
    using frame = await firstFrame(reader);
    const greys = frame.greys?.(COLUMNS, ROWS) ?? new Uint8Array();
    expect(greys).toHaveLength(COLUMNS * ROWS);
    for (const [cell, grey] of greys.entries()) {
      const expected = step((cell % COLUMNS) * 8, Math.floor(cell / COLUMNS) * 8);
      expect(Math.abs(grey - expected), `cell ${cell}: ${grey}`).toBeLessThanOrEqual(1);
    }
  },
);
