/** Frames of the three demo videos, derived: small, turned, cut off, blurred, covered. */
import type { AlignmentPoints, Face, FaceDetector, Point, RgbImage } from "@ls/core";
import { reference } from "@ls/testing";
import { createFfmpegVideoSource } from "@ls/video";
import sharp from "sharp";

export const DEMO_VIDEOS = ["demo1_video.mp4", "demo2_video.mp4", "demo3_video.mp4"] as const;
const GREY = 96;

/** Frames at 25 a second. */
export async function demoFrames(name: string, indices: readonly number[]): Promise<RgbImage[]> {
  await using reader = await createFfmpegVideoSource().open(reference("media", name));
  const images: RgbImage[] = [];
  for (const index of indices) {
    for await (const frame of reader.frames({ start: index, end: index + 1 })) {
      using current = frame;
      images.push(await current.toRgb());
    }
  }
  return images;
}

/** How a face is shown. */
export interface Showing {
  /** Size of the picture. */
  readonly width: number;
  readonly height: number;
  /** Width of the face in pixels. */
  readonly faceWidth: number;
  /** Clockwise. Default 0. */
  readonly rollDegrees?: number;
  /** Where the middle of the face is; default: a little off the middle of the picture. */
  readonly center?: Point;
  /** Way of the camera while it exposes, across the picture, in widths of the face. Default 0. */
  readonly blur?: number;
}

export interface Shown {
  readonly image: RgbImage;
  /** Where the face's points are in it. */
  readonly points: AlignmentPoints;
}

/** A face of a frame in another picture; what lies outside the frame is grey. */
export async function show(
  frame: RgbImage,
  { box, points }: Face,
  showing: Showing,
): Promise<Shown> {
  const scale = showing.faceWidth / box.width;
  const [width, height] = [Math.round(frame.width * scale), Math.round(frame.height * scale)];
  const raw = { width: frame.width, height: frame.height, channels: 3 } as const;
  const data = await sharp(frame.data, { raw })
    .resize(width, height, { fit: "fill" })
    .raw()
    .toBuffer();
  const middle: Point = [(box.x + box.width / 2) * scale, (box.y + box.height / 2) * scale];
  const center = showing.center ?? [showing.width * 0.42, showing.height * 0.55];
  const roll = ((showing.rollDegrees ?? 0) * Math.PI) / 180;
  const image = turned({ width, height, data }, { middle, center, roll }, showing);
  const place = ([x, y]: Point): Point => {
    const u = (x + 0.5) * scale - middle[0];
    const v = (y + 0.5) * scale - middle[1];
    return [
      center[0] + u * Math.cos(roll) - v * Math.sin(roll) - 0.5,
      center[1] + u * Math.sin(roll) + v * Math.cos(roll) - 0.5,
    ];
  };
  const shown = [place(points[0]), place(points[1]), place(points[2])] as const;
  return {
    image: blurred(image, Math.round((showing.blur ?? 0) * showing.faceWidth)),
    points: shown,
  };
}

function turned(
  { width, height, data }: RgbImage,
  view: { readonly middle: Point; readonly center: Point; readonly roll: number },
  size: { readonly width: number; readonly height: number },
): RgbImage {
  const result = new Uint8Array(size.width * size.height * 3).fill(GREY);
  const [cosine, sine] = [Math.cos(view.roll), Math.sin(view.roll)];
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const u = x + 0.5 - view.center[0];
      const v = y + 0.5 - view.center[1];
      const fromX = view.middle[0] + u * cosine + v * sine - 0.5;
      const fromY = view.middle[1] - u * sine + v * cosine - 0.5;
      const left = Math.floor(fromX);
      const top = Math.floor(fromY);
      if (left < 0 || top < 0 || left >= width - 1 || top >= height - 1) continue;
      const [shareX, shareY] = [fromX - left, fromY - top];
      const at = (top * width + left) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const [a, b, c, d] = [0, 3, width * 3, width * 3 + 3].map(
          (step) => data[at + step + channel]!,
        );
        const upper = a! + (b! - a!) * shareX;
        const lower = c! + (d! - c!) * shareX;
        result[(y * size.width + x) * 3 + channel] = upper + (lower - upper) * shareY;
      }
    }
  }
  return { ...size, data: result };
}

function blurred(image: RgbImage, pixels: number): RgbImage {
  if (pixels < 2) return image;
  const { width, height, data } = image;
  const result = Uint8Array.from(data, (_, index) => {
    const column = Math.floor(index / 3) % width;
    let sum = 0;
    for (let step = 0; step < pixels; step++) {
      const from = Math.min(Math.max(column + step - (pixels >> 1), 0), width - 1);
      sum += data[index + (from - column) * 3]!;
    }
    return sum / pixels;
  });
  return { width, height, data: result };
}

/** What a detector makes of a picture: how far its nearest face is off, in widths of the face. */
export async function pointError(
  detector: FaceDetector,
  { image, points }: Shown,
  faceWidth: number,
): Promise<number> {
  const errors = (await detector.detect(image, 0)).map(
    (face) =>
      face.points.reduce((sum, [x, y], index) => {
        const [trueX, trueY] = points[index]!;
        return sum + Math.hypot(x - trueX, y - trueY);
      }, 0) /
      3 /
      faceWidth,
  );
  return Math.min(...errors, Number.POSITIVE_INFINITY);
}
