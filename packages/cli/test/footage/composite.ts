/** Footage put together from parts of the demo videos: people side by side, crossing, cut and blacked out. */
import { type ImagePatch, pastePatch, type Rectangle, Resources, type VideoReader } from "@ls/core";
import { reference } from "@ls/testing";
import { createFfmpegVideoSource, createPictureVideo } from "@ls/video";

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
}

export interface CompositeOptions {
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  /** What a frame shows, the later over the earlier; or the grey that fills it. */
  readonly at: (index: number) => readonly Placed[] | number;
}

const videoPath = (demo: number): string => reference("media", `demo${demo}_video.mp4`);

/** A video that is made while it is read, in any order. */
export async function openComposite(options: CompositeOptions): Promise<VideoReader> {
  const { width, height, frameCount, at } = options;
  const resources = new Resources();
  const readers: VideoReader[] = [];
  for (const demo of [1, 2, 3]) {
    readers.push(resources.use(await createFfmpegVideoSource().open(videoPath(demo))));
  }
  const video = createPictureVideo({
    ...{ width, height, frameCount },
    async picture(index) {
      const placed = at(index);
      const grey = typeof placed === "number" ? placed : 90;
      const image = { width, height, data: new Uint8Array(width * height * 3).fill(grey) };
      for (const one of typeof placed === "number" ? [] : placed) {
        const patch = clip(
          await squareOf(readers[one.demo - 1] as VideoReader, one),
          width,
          height,
        );
        if (patch !== undefined) pastePatch(image, patch);
      }
      return image;
    },
  });
  return {
    ...video,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

async function squareOf(reader: VideoReader, placed: Placed): Promise<ImagePatch> {
  const { demo, frame: start } = placed;
  for await (const decoded of reader.frames({ start, end: start + 1 })) {
    using frame = decoded;
    const image = await frame.toRgb(FACES[demo - 1]);
    return { ...image, x: Math.round(placed.x), y: Math.round(placed.y) };
  }
  throw new Error(`Demo video ${demo} has no frame ${start}.`);
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
