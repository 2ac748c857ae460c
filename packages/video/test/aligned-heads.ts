/** Generated heads in the model's square, and things drawn in front of them. */
import type { RgbImage } from "@ls/core";
import { createPerson, poseAt, renderHead } from "@ls/synthetic";
import sharp from "sharp";

export const RESOLUTION = 128;
/** The face as the aligner places it: stretched sideways, brows at a fifth of the height. */
const PLACEMENT = [RESOLUTION * 1.05, 0, 0, RESOLUTION * 0.82, RESOLUTION / 2, 54] as const;

/** Frames of a talking person, upright and still as aligned faces are. */
export async function alignedHeads(seed: number, count: number): Promise<RgbImage[]> {
  const person = createPerson(seed);
  const images: RgbImage[] = [];
  for (let index = 0; index < count; index++) {
    const mouth = { opening: 0.5 + 0.5 * Math.sin(index), spread: 0.2, teeth: 0.5, tongue: 0.3 };
    const pose = { ...poseAt(person, index / 25), x: 0, y: 0, rollDegrees: 0 };
    const view = { width: RESOLUTION, height: RESOLUTION, placement: PLACEMENT };
    images.push(await renderHead({ person, pose, mouth }, view));
  }
  return images;
}

/** RGB planes, as the aligner gives them. */
export function planes({ width, height, data }: RgbImage): Uint8Array {
  const count = width * height;
  return Uint8Array.from(
    { length: count * 3 },
    (_, index) => data[(index % count) * 3 + Math.floor(index / count)] as number,
  );
}

const HEAD = `<ellipse cx="64" cy="84" rx="21" ry="23" fill="COLOUR"/>`;
const HANDLE = `<path d="M55 96 L60 128 L70 128 L75 96 Z" fill="#202124"/>`;

/** A microphone of a colour before mouth and chin, from the lower edge on. */
export function withMicrophone(image: RgbImage, colour: string): Promise<RgbImage> {
  return withDrawing(image, HANDLE + HEAD.replace("COLOUR", colour));
}

/** A ball that hangs before the mouth. */
export function withBall(image: RgbImage, colour: string): Promise<RgbImage> {
  return withDrawing(image, HEAD.replace("COLOUR", colour));
}

/** Lit from below in a colour. */
export function withLight(image: RgbImage, colour: string): Promise<RgbImage> {
  const light =
    `<defs><linearGradient id="light" x1="0" x2="0" y1="0" y2="1"><stop offset=".35" stop-color="#fff"/>` +
    `<stop offset=".65" stop-color="${colour}"/></linearGradient></defs>`;
  return withDrawing(
    image,
    `${light}<rect width="100%" height="100%" fill="url(#light)"/>`,
    "multiply",
  );
}

async function withDrawing(
  image: RgbImage,
  drawing: string,
  blend: "multiply" | "over" = "over",
): Promise<RgbImage> {
  const { width, height } = image;
  const data = await sharp(image.data, { raw: { width, height, channels: 3 } })
    .composite([{ input: svg(drawing), blend }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return { width, height, data };
}

/** 1 where {@link withMicrophone} draws. */
export async function microphoneCover(): Promise<Float32Array> {
  const alpha = await sharp(svg(HANDLE + HEAD.replace("COLOUR", "#202124")))
    .extractChannel("alpha")
    .raw()
    .toBuffer();
  return Float32Array.from(alpha, (value) => value / 255);
}

function svg(drawing: string): Buffer {
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${RESOLUTION}" height="${RESOLUTION}">${drawing}</svg>`,
  );
}
