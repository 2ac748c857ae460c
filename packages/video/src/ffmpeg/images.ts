/** Still images, through sharp: lossless, and as 8-bit RGB on both sides. */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { LatentSyncError, type RgbImage } from "@ls/core";
import { fileError } from "./ffmpeg-error.ts";

/** Images larger than this are refused before they are decoded. */
const MAX_IMAGE_PIXELS = 8192 * 8192;

/**
 * Reads a PNG, JPEG, WebP or other still image, turned upright; alpha is dropped.
 * @throws LatentSyncError `not_found`, `io` or `invalid_media`.
 */
export async function readImage(path: string): Promise<RgbImage> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError(error, `Cannot read ${path}`);
  });
  const { default: sharp } = await import("sharp");
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_IMAGE_PIXELS })
      .autoOrient()
      .removeAlpha()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: new Uint8Array(data) };
  } catch (error) {
    throw new LatentSyncError("invalid_media", `${path} is not an image that can be read.`, {
      cause: error,
      hint: "Give a PNG or JPEG file.",
    });
  }
}

/**
 * Writes a PNG, losslessly. The file appears only when it is complete.
 * @throws LatentSyncError `invalid_argument`, `not_found`, `io` or `disk_full`.
 */
export async function writePng(path: string, image: RgbImage): Promise<void> {
  const { width, height, data } = image;
  if (data.length !== width * height * 3 || data.length === 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `An image of ${width}x${height} needs ${width * height * 3} bytes, but has ${data.length}.`,
    );
  }
  const { default: sharp } = await import("sharp");
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
  const target = resolve(path);
  const temporary = join(dirname(target), `.${basename(target)}-${randomUUID()}`);
  try {
    await writeFile(temporary, png, { flag: "wx" });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, `Cannot write ${path}`);
  }
}
