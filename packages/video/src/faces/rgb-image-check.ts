import { LatentSyncError, type RgbImage } from "@ls/core";

/** @throws LatentSyncError `invalid_argument` unless the data is what the size asks for. */
export function checkRgbImage({ width, height, data }: RgbImage): void {
  if (width > 0 && height > 0 && data.length === width * height * 3) return;
  throw new LatentSyncError(
    "invalid_argument",
    `An RGB image of ${width}x${height} needs ${width * height * 3} bytes and at least one pixel, but its data has ${data.length}.`,
    { hint: "Pass interleaved 8-bit RGB without padding." },
  );
}
