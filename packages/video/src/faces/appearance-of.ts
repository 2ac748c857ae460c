/** The appearance of the person in a picture, for choosing that person in a video. */
import { stat } from "node:fs/promises";
import { LatentSyncError, type RgbImage } from "@ls/core";
import sharp from "sharp";
import { createMediaPipeDetector } from "./mediapipe.ts";
import type { TensorFlowBackend } from "./tensorflow.ts";

/** Larger pictures are made smaller, and much larger ones refused. */
const LARGEST_SIDE = 2048;
const MOST_PIXELS = 100_000_000;
const MOST_BYTES = 100_000_000;

export interface AppearanceOptions {
  /** As of the MediaPipe detector. */
  readonly backend?: TensorFlowBackend;
  readonly modelFolder?: string;
  readonly signal?: AbortSignal;
}

/**
 * What the largest face of a picture file looks like, as `Face.appearance`: a unit vector.
 * @param path JPEG, PNG, WebP, AVIF, TIFF or GIF (of which the first picture counts).
 * @throws LatentSyncError `not_found` or `invalid_media` for the file, `no_face` if it shows none,
 *   `unsupported` if the folder has no network that tells people apart.
 */
export async function appearanceOf(
  path: string,
  options: AppearanceOptions = {},
): Promise<Float32Array> {
  const { signal, backend, modelFolder } = options;
  signal?.throwIfAborted();
  const picture = await readPicture(path);
  await using detector = await createMediaPipeDetector({
    ...(backend === undefined ? {} : { backend }),
    ...(modelFolder === undefined ? {} : { modelFolder }),
    ...(signal === undefined ? {} : { signal }),
    detectionInterval: 1,
  });
  const [face] = await detector.detect(picture, 0, signal === undefined ? {} : { signal });
  if (face === undefined) {
    throw new LatentSyncError("no_face", `The picture ${path} shows no face.`, {
      hint: "Give a sharp picture in which the person's face is at least 40 pixels wide.",
    });
  }
  if (face.appearance !== undefined) return face.appearance;
  throw new LatentSyncError("unsupported", "There is no network that tells people apart.", {
    hint: "Put faceres.json of @vladmandic/human into the folder of the face models.",
  });
}

async function readPicture(path: string): Promise<RgbImage> {
  try {
    const { size } = await stat(path);
    if (size > MOST_BYTES) throw new Error(`It has ${size} bytes, more than ${MOST_BYTES}.`);
    const { data, info } = await sharp(path, { limitInputPixels: MOST_PIXELS })
      .autoOrient()
      .resize({
        width: LARGEST_SIDE,
        height: LARGEST_SIDE,
        fit: "inside",
        withoutEnlargement: true,
      })
      .flatten()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new LatentSyncError(
      isMissing ? "not_found" : "invalid_media",
      isMissing ? `The picture ${path} does not exist.` : `${path} cannot be read as a picture.`,
      { cause: error, hint: "Give a JPEG, PNG, WebP, AVIF or TIFF file of a person's face." },
    );
  }
}
