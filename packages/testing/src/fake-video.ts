/** Stand-ins for the video seams, which count what was not disposed. */
import type {
  Rectangle,
  RgbImage,
  VideoFrame,
  VideoReader,
  VideoReadOptions,
  VideoSink,
  VideoSource,
  VideoWriterOptions,
} from "@ls/core";

const WIDTH = 32;
const HEIGHT = 24;

/** A frame of one grey value: its index in the video. */
class FakeFrame implements VideoFrame {
  readonly width = WIDTH;
  readonly height = HEIGHT;
  readonly index: number;
  readonly timeSeconds: number;
  readonly #open: Set<FakeFrame>;

  constructor(index: number, timeSeconds: number, open: Set<FakeFrame>) {
    this.index = index;
    this.timeSeconds = timeSeconds;
    this.#open = open;
    open.add(this);
  }

  async toRgb(region: Rectangle = { x: 0, y: 0, width: WIDTH, height: HEIGHT }): Promise<RgbImage> {
    if (!this.#open.has(this))
      throw new Error(`Frame ${this.index} was read after it was disposed.`);
    const { width, height } = region;
    return { width, height, data: new Uint8Array(width * height * 3).fill(this.index) };
  }

  clone(): VideoFrame {
    return new FakeFrame(this.index, this.timeSeconds, this.#open);
  }

  [Symbol.dispose](): void {
    this.#open.delete(this);
  }
}

/** A video of `frameCount` frames. `openFrames` tells how many were not disposed. */
export class FakeVideoSource implements VideoSource {
  readonly #frameCount: number;
  /** Its own rate. */
  readonly #framesPerSecond: number;
  readonly #frames = new Set<FakeFrame>();
  mostOpenFrames = 0;
  openReaders = 0;

  constructor(frameCount: number, framesPerSecond = 25) {
    this.#frameCount = frameCount;
    this.#framesPerSecond = framesPerSecond;
  }

  get openFrames(): number {
    return this.#frames.size;
  }

  /** At another rate than its own it has as many frames. */
  async open(_path: string, options: VideoReadOptions = {}): Promise<VideoReader> {
    this.openReaders += 1;
    const { framesPerSecond: asked = 25 } = options;
    const framesPerSecond = asked === "source" ? this.#framesPerSecond : asked;
    return {
      info: {
        width: WIDTH,
        height: HEIGHT,
        framesPerSecond,
        estimatedFrameCount: this.#frameCount,
        description: "fake",
      },
      frames: ({ start = 0, end = this.#frameCount } = {}) =>
        this.#read({ start, end, framesPerSecond }),
      [Symbol.asyncDispose]: async () => {
        this.openReaders -= 1;
      },
    };
  }

  async *#read(range: {
    readonly start: number;
    readonly end: number;
    readonly framesPerSecond: number;
  }): AsyncGenerator<VideoFrame> {
    const { start, end, framesPerSecond } = range;
    for (let index = start; index < Math.min(end, this.#frameCount); index++) {
      const frame = new FakeFrame(index, index / framesPerSecond, this.#frames);
      this.mostOpenFrames = Math.max(this.mostOpenFrames, this.#frames.size);
      yield frame;
    }
  }
}

/** What was written of a frame. */
export interface FakeWrittenFrame {
  /** Of the source frame. */
  readonly index: number;
  /** First value of its last patch. */
  readonly patch: number | undefined;
  readonly patches: number;
  readonly timeSeconds: number | undefined;
}

/** Keeps what was written. */
export class FakeVideoSink implements VideoSink {
  readonly written: FakeWrittenFrame[] = [];
  /** What the last writer was created with. */
  options: VideoWriterOptions | undefined;
  finished = false;
  discarded = false;

  async create(options: VideoWriterOptions): ReturnType<VideoSink["create"]> {
    this.options = options;
    return {
      write: async (frame, patches = [], timeSeconds) => {
        await frame.toRgb();
        const patch = patches.at(-1)?.data[0];
        this.written.push({ index: frame.index, patch, patches: patches.length, timeSeconds });
      },
      finish: async () => {
        this.finished = true;
      },
      [Symbol.asyncDispose]: async () => {
        this.discarded = !this.finished;
      },
    };
  }
}
