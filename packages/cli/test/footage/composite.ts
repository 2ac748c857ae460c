/** Footage put together from parts of the demo videos: people side by side, crossing, cut and blacked out. */
import {
  type ImagePatch,
  pastePatch,
  type Rectangle,
  Resources,
  type RgbImage,
  type VideoFrame,
  type VideoReader,
} from "@ls/core";
import { reference } from "@ls/testing";
import { createFfmpegVideoSource, createPictureVideo } from "@ls/video";
import sharp from "sharp";

/** A square round the face of each demo video, which is 1080 x 1920. */
const FACES: readonly Rectangle[] = [
  { x: 336, y: 456, width: 540, height: 540 },
  { x: 276, y: 200, width: 540, height: 540 },
  { x: 304, y: 380, width: 540, height: 540 },
];
export const SIDE = 540;

/** Somebody in a frame: whose demo video, and where the square is put. */
export interface Placed {
  /** 1, 2 or 3. */
  readonly demo: number;
  /** Frame of the demo video. */
  readonly frame: number;
  readonly x: number;
  readonly y: number;
  /** Default: the square round the face. */
  readonly part?: Rectangle;
  /** Size in pixels to which a square part is brought. Default: as it is. */
  readonly side?: number;
  /** How much it hides of what is below, 0 to 1. Default 1. */
  readonly opacity?: number;
}

export interface CompositeOptions {
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  /** Grey where nothing is. Default 90. */
  readonly ground?: number;
  /** What a frame shows, the later over the earlier; or the grey that fills it. */
  readonly at: (index: number) => readonly Placed[] | number;
}

const videoPath = (demo: number): string => reference("media", `demo${demo}_video.mp4`);

/** The face of a demo video in frames that follow one another, in squares of a side in pixels. */
export async function readSquares(
  demo: number,
  side: number,
  range: { readonly start: number; readonly end: number },
): Promise<RgbImage[]> {
  await using reader = await createFfmpegVideoSource().open(videoPath(demo));
  const squares: RgbImage[] = [];
  for await (const decoded of reader.frames(range)) {
    using frame = decoded;
    squares.push(await resized(await frame.toRgb(FACES[demo - 1]), side));
  }
  return squares;
}

/** A video that is made while it is read, in any order. */
export async function openComposite(options: CompositeOptions): Promise<VideoReader> {
  const { width, height, frameCount, ground = 90, at } = options;
  const resources = new Resources();
  const demos: DemoFrames[] = [];
  for (const demo of [1, 2, 3]) {
    const reader = resources.use(await createFfmpegVideoSource().open(videoPath(demo)));
    demos.push(resources.use(new DemoFrames(reader)));
  }
  const video = createPictureVideo({
    ...{ width, height, frameCount },
    async picture(index) {
      const placed = at(index);
      const grey = typeof placed === "number" ? placed : ground;
      const image = { width, height, data: new Uint8Array(width * height * 3).fill(grey) };
      for (const one of typeof placed === "number" ? [] : placed) {
        const patch = clip(await squareOf(demos[one.demo - 1] as DemoFrames, one), width, height);
        if (patch !== undefined) pastePatch(image, mixed(image, patch, one.opacity ?? 1));
      }
      return image;
    },
  });
  return {
    ...video,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

async function squareOf(frames: DemoFrames, placed: Placed): Promise<ImagePatch> {
  using frame = await frames.at(placed.frame);
  const image = await frame.toRgb(placed.part ?? FACES[placed.demo - 1]);
  const square = await resized(image, placed.side ?? image.width);
  return { ...square, x: Math.round(placed.x), y: Math.round(placed.y) };
}

/** The frames of a video in any order; those that follow one another are read without a seek. */
class DemoFrames implements AsyncDisposable {
  readonly #reader: VideoReader;
  #frames: AsyncIterator<VideoFrame> | undefined;
  #next = 0;

  constructor(reader: VideoReader) {
    this.#reader = reader;
  }

  /** The caller disposes it. */
  async at(index: number): Promise<VideoFrame> {
    if (this.#frames === undefined || index !== this.#next) {
      await this[Symbol.asyncDispose]();
      this.#frames = this.#reader.frames({ start: index })[Symbol.asyncIterator]();
    }
    this.#next = index + 1;
    const result = await this.#frames.next();
    if (result.done === true) throw new Error(`The demo video has no frame ${index}.`);
    return result.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frames?.return?.();
    this.#frames = undefined;
  }
}

async function resized(image: RgbImage, width: number): Promise<RgbImage> {
  if (width === image.width) return image;
  const height = Math.round((image.height * width) / image.width);
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const data = await sharp(image.data, { raw })
    .resize(width, height, { fit: "fill" })
    .raw()
    .toBuffer();
  return { width, height, data };
}

/** The patch as it is seen over the image. */
function mixed(image: RgbImage, patch: ImagePatch, opacity: number): ImagePatch {
  if (opacity >= 1) return patch;
  const data = patch.data.map((value, at) => {
    const pixel = Math.floor(at / 3);
    const x = patch.x + (pixel % patch.width);
    const y = patch.y + Math.floor(pixel / patch.width);
    const below = image.data[(y * image.width + x) * 3 + (at % 3)] as number;
    return Math.round(below + (value - below) * opacity);
  });
  return { ...patch, data };
}

/** The part of a picture that lies in the frame. */
function clip(patch: ImagePatch, width: number, height: number): ImagePatch | undefined {
  const left = Math.max(0, -patch.x);
  const top = Math.max(0, -patch.y);
  const columns = Math.min(patch.width, width - patch.x) - left;
  const rows = Math.min(patch.height, height - patch.y) - top;
  if (columns <= 0 || rows <= 0) return undefined;
  const data = new Uint8Array(columns * rows * 3);
  for (let row = 0; row < rows; row++) {
    const start = ((top + row) * patch.width + left) * 3;
    data.set(patch.data.subarray(start, start + columns * 3), row * columns * 3);
  }
  return { x: patch.x + left, y: patch.y + top, width: columns, height: rows, data };
}
