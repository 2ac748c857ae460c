/** Which stream of a file has its pictures, and whether they can be taken. */
import { LatentSyncError } from "@ls/core";
import { AV_DISPOSITION_ATTACHED_PIC, AVMEDIA_TYPE_VIDEO } from "node-av/constants";
import type { Stream } from "node-av/lib";
import type { MediaInput } from "./media-input.ts";
import { MAX_PIXELS } from "./open-codec.ts";

const MAX_SIDE = 32_768;

/** @throws LatentSyncError `invalid_media` if a stream says that its pictures are too large. */
export function checkPictureSize(path: string, stream: Stream): void {
  const { width, height } = stream.codecpar;
  if (width * height <= MAX_PIXELS && width <= MAX_SIDE && height <= MAX_SIDE) return;
  throw new LatentSyncError(
    "invalid_media",
    `${path} says that its pictures have ${width}x${height} pixels; at most ${MAX_PIXELS} pixels are accepted.`,
    { hint: "If the size is real, scale the video down first." },
  );
}

/** The stream that a player shows. @throws LatentSyncError `invalid_media` if there is none. */
export function pictureStream(input: MediaInput): Stream {
  const stream = input.bestStream(AVMEDIA_TYPE_VIDEO);
  if (!stream || stream.hasDisposition(AV_DISPOSITION_ATTACHED_PIC)) {
    throw new LatentSyncError("invalid_media", `${input.path} has no video stream.`, {
      hint: "Give a file that has pictures.",
    });
  }
  checkPictureSize(input.path, stream);
  return stream;
}
