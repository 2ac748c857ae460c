import {
  cropImage,
  LatentSyncError,
  type Rectangle,
  type RgbImage,
  type VideoFrame,
  type VideoReader,
} from "@ls/core";

export interface PictureVideoOptions {
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  /** Default 25. */
  readonly framesPerSecond?: number;
  /** The picture of a frame, of the video's size. It is not changed. */
  readonly picture: (index: number) => RgbImage | Promise<RgbImage>;
}

class PictureFrame implements VideoFrame {
  readonly index: number;
  readonly timeSeconds: number;
  readonly width: number;
  readonly height: number;
  readonly #picture: RgbImage;

  constructor(index: number, timeSeconds: number, picture: RgbImage) {
    this.index = index;
    this.timeSeconds = timeSeconds;
    this.width = picture.width;
    this.height = picture.height;
    this.#picture = picture;
  }

  toRgb(region: Rectangle = { x: 0, y: 0, ...this.#picture }): Promise<RgbImage> {
    const { width, height, data } = cropImage(this.#picture, region);
    return Promise.resolve({ width, height, data });
  }

  clone(): VideoFrame {
    return new PictureFrame(this.index, this.timeSeconds, this.#picture);
  }

  [Symbol.dispose](): void {}
}

/** A video made of pictures: drawn, generated, or one that stands still. */
export function createPictureVideo(options: PictureVideoOptions): VideoReader {
  const { width, height, frameCount, framesPerSecond = 25, picture } = options;
  return {
    info: {
      width,
      height,
      framesPerSecond,
      estimatedFrameCount: frameCount,
      description: `pictures of ${width}x${height}, rgb24`,
    },
    async *frames({ start = 0, end = frameCount, signal } = {}) {
      for (let index = start; index < Math.min(end, frameCount); index++) {
        signal?.throwIfAborted();
        const image = await picture(index);
        if (image.width !== width || image.height !== height) {
          throw new LatentSyncError(
            "invalid_argument",
            `Picture ${index} is ${image.width}x${image.height}, but the video is ${width}x${height}.`,
          );
        }
        yield new PictureFrame(index, index / framesPerSecond, image);
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}
