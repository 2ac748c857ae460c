/** One picture of a whole lip-sync: moments of source and output over the speech's mouth opening. */
import type { RgbImage } from "@ls/core";
import sharp from "sharp";
import {
  contactSheetMarkup,
  type ContactSheetText,
  layOut,
  type MomentText,
  TILE_SIZE,
} from "./contact-sheet-markup.ts";

/** An instant of the clip, as it was and as it became. */
export interface Moment extends MomentText {
  /** The source's frame, and the output's. */
  readonly source: RgbImage;
  readonly output: RgbImage;
}

export interface ContactSheet extends ContactSheetText {
  /** One column each, in the order of time. */
  readonly moments: readonly Moment[];
}

/**
 * Draws a contact sheet as PNG. Columns stand above the curve at their own time if the moments are
 * the middles of equal parts of the clip.
 */
export async function renderContactSheet(sheet: ContactSheet): Promise<Buffer> {
  const { width, height, columns, sourceTop, outputTop } = layOut(sheet.moments.length);
  const tiles = await Promise.all(
    sheet.moments.flatMap(({ source, output }, index) => {
      const left = columns[index] as number;
      return [placeTile(source, left, sourceTop), placeTile(output, left, outputTop)];
    }),
  );
  const markup = Buffer.from(contactSheetMarkup(sheet));
  return sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite([{ input: markup }, ...tiles])
    .png()
    .toBuffer();
}

async function placeTile(
  { width, height, data }: RgbImage,
  left: number,
  top: number,
): Promise<{ readonly input: Buffer; readonly left: number; readonly top: number }> {
  const input = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(TILE_SIZE, TILE_SIZE, { fit: "cover" })
    .png({ compressionLevel: 1 })
    .toBuffer();
  return { input, left, top };
}
