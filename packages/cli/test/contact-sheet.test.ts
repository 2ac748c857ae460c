import type { RgbImage } from "@ls/core";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { contactSheetMarkup, layOut, TILE_SIZE } from "../src/demo/contact-sheet-markup.ts";
import { type ContactSheet, renderContactSheet } from "../src/demo/contact-sheet.ts";

function plain(red: number, green: number, blue: number): RgbImage {
  const data = new Uint8Array(64 * 64 * 3);
  for (let index = 0; index < data.length; index += 3) data.set([red, green, blue], index);
  return { width: 64, height: 64, data };
}

const SHEET: ContactSheet = {
  title: "A title",
  subtitle: 'says "a < b & c"\u0007',
  durationSeconds: 2,
  moments: [
    { seconds: 0.5, sound: "AY", source: plain(200, 0, 0), output: plain(0, 200, 0) },
    { seconds: 1.5, sound: "", source: plain(0, 0, 200), output: plain(200, 200, 0) },
  ],
  curves: [{ name: "new", openings: [1, 1, 0, 0] }],
  sounds: [{ symbol: "AY", startSeconds: 0.2, endSeconds: 0.7 }],
};

async function render(sheet: ContactSheet): Promise<{
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): number[];
}> {
  const { data, info } = await sharp(await renderContactSheet(sheet))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): number[] => {
    const start = (Math.round(y) * info.width + Math.round(x)) * 3;
    return [...data.subarray(start, start + 3)];
  };
  return { width: info.width, height: info.height, at };
}

describe("a contact sheet", () => {
  it("has the source above the output, a column for each moment", async () => {
    const { width, height, at } = await render(SHEET);
    const layout = layOut(2);
    expect({ width, height }).toEqual({ width: layout.width, height: layout.height });
    const half = TILE_SIZE / 2;
    const colours = layout.columns.map((left) => [
      at(left + half, layout.sourceTop + half),
      at(left + half, layout.outputTop + half),
    ]);
    expect(colours).toEqual([
      [
        [200, 0, 0],
        [0, 200, 0],
      ],
      [
        [0, 0, 200],
        [200, 200, 0],
      ],
    ]);
  });

  it("draws the curve below the columns, at their times", async () => {
    const { at } = await render(SHEET);
    const { plot, columns } = layOut(2);
    const [first, second] = columns.map((left) => left + TILE_SIZE / 2);
    expect(first).toBe(plot.left + plot.width / 4);
    // A mark at the top where the mouth is wide, at the bottom where it is shut; white in between.
    expect(at(first! + 5, plot.top)).not.toEqual([255, 255, 255]);
    expect(at(second! + 5, plot.top + plot.height)).not.toEqual([255, 255, 255]);
    expect(at(second! + 9, plot.top + plot.height / 4)).toEqual([255, 255, 255]);
  });

  it("writes any text as text", () => {
    const markup = contactSheetMarkup(SHEET);
    expect(markup).toContain("says &#34;a &#60; b &#38; c&#34; </text>");
    expect(markup).toContain(">pause</text>");
    expect(markup).toContain(">0.50 s</text>");
  });
});
