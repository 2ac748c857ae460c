import { LatentSyncError, type VideoFrame, type VideoInfo, type VideoReader } from "@ls/core";
import { DecodeCursor } from "./decode-cursor.ts";
import { FfmpegVideoFrame } from "./ffmpeg-video-frame.ts";
import { FrameTimeline } from "./frame-timeline.ts";
import { HardwareFailure, type VideoHardware } from "./hardware.ts";
import { type HdrMetadata, hdrMetadata } from "./hdr-metadata.ts";
import { referenceFrame } from "./native-frame.ts";
import { PassedFrames } from "./passed-frames.ts";
import { type DecodedFrame, VideoDecoder } from "./video-decoder.ts";
import { describeVideo, meanRate, placementFor, type Sequence } from "./video-description.ts";

/** Reading on is cheaper than seeking up to about this many frames. */
const READ_ON_FRAMES = 48;

export interface FfmpegVideoReaderOptions extends Sequence {
  readonly threads: number;
  /** Default: software. */
  readonly hardware?: VideoHardware | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class FfmpegVideoReader implements VideoReader {
  readonly info: VideoInfo;
  readonly path: string;
  /** What the file says of the display that its HDR pictures were made for. */
  readonly hdr: HdrMetadata;
  readonly #options: FfmpegVideoReaderOptions;
  readonly #timeline: FrameTimeline;
  readonly #passed = new PassedFrames();
  /** Whether decoding starts at the keyframe before the part that is wanted. */
  readonly #fromKeyframe: boolean;
  #cursor: DecodeCursor | undefined;
  #seekable = true;
  /** Whether a frame depends on the one before it in presentation order: deinterlacing looks at it. */
  #needsPredecessor = false;
  #iterating = false;
  #decoding: Promise<unknown> | undefined;
  #disposed = false;

  private constructor(
    cursor: DecodeCursor,
    timeline: FrameTimeline,
    options: FfmpegVideoReaderOptions,
    fromKeyframe: boolean,
  ) {
    const native = (cursor.current as DecodedFrame).native;
    this.path = cursor.decoder.path;
    this.info = describeVideo(cursor.decoder, native, options);
    this.hdr = hdrMetadata(cursor.decoder.stream, native);
    this.#needsPredecessor = cursor.decoder.deinterlaces;
    this.#cursor = cursor;
    this.#timeline = timeline;
    this.#options = options;
    this.#fromKeyframe = fromKeyframe;
  }

  static async open(path: string, options: FfmpegVideoReaderOptions): Promise<FfmpegVideoReader> {
    try {
      return await FfmpegVideoReader.#open(path, options);
    } catch (error) {
      if (!(error instanceof HardwareFailure)) throw error;
      options.hardware?.giveUp("decoded", error);
      return await FfmpegVideoReader.#open(path, options);
    }
  }

  static async #open(
    path: string,
    options: FfmpegVideoReaderOptions,
    seek = true,
  ): Promise<FfmpegVideoReader> {
    const { decoder, sought } = await openAtStart(path, options, seek);
    const cursor = new DecodeCursor(decoder);
    try {
      const rate = meanRate(decoder, options.framesPerSecond);
      const timeline = new FrameTimeline(placementFor(decoder, options, rate), options);
      await advanceToFirst(cursor, timeline, options);
      if (!sought || !timeline.startsLate) {
        return new FfmpegVideoReader(cursor, timeline, options, sought);
      }
    } catch (error) {
      await cursor[Symbol.asyncDispose]();
      throw error;
    }
    await cursor[Symbol.asyncDispose]();
    return await FfmpegVideoReader.#open(path, options, false);
  }

  async *frames(
    options: { readonly start?: number; readonly end?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<VideoFrame, void, undefined> {
    const { start = 0, end = Number.POSITIVE_INFINITY, signal } = options;
    if (!Number.isInteger(start) || start < 0 || Number.isNaN(end)) {
      throw new LatentSyncError(
        "invalid_argument",
        `A range of frames needs a whole start from 0 on and an end, but is ${start} to ${end}.`,
      );
    }
    if (this.#iterating) {
      throw new LatentSyncError(
        "invalid_argument",
        `${this.path} is being read already: end the iteration under way before another one.`,
      );
    }
    this.#iterating = true;
    try {
      for (let index = start; index < end; index++) {
        signal?.throwIfAborted();
        const frame = await this.#frame(index, signal);
        if (!frame) return;
        yield frame;
      }
    } finally {
      this.#iterating = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#decoding) await this.#decoding.catch(() => undefined);
    const cursor = this.#cursor;
    this.#cursor = undefined;
    this.#passed[Symbol.dispose]();
    await cursor?.[Symbol.asyncDispose]();
  }

  /** Output frame `index`, or undefined past the end. */
  async #frame(index: number, signal: AbortSignal | undefined): Promise<VideoFrame | undefined> {
    const work = this.#find(index, signal);
    this.#decoding = work;
    try {
      return await work;
    } finally {
      this.#decoding = undefined;
    }
  }

  async #find(index: number, signal: AbortSignal | undefined): Promise<VideoFrame | undefined> {
    if (this.#disposed) {
      throw new LatentSyncError("disposed", `${this.path} was read after its reader was disposed.`);
    }
    const timeline = this.#timeline;
    if (index >= timeline.outputCount && timeline.complete) return undefined;
    const wanted = this.#ordinalToDecode(index);
    const passed = index < timeline.outputCount ? this.#passed.get(wanted) : undefined;
    if (passed) return this.#output(passed, index);
    const before = this.#cursor?.ordinal ?? -1;
    let cursor = await this.#cursorNear(wanted);
    const jumped = cursor.ordinal < before;
    if (jumped) this.#passed.clear();
    for (;;) {
      signal?.throwIfAborted();
      if (index < timeline.outputCount) {
        const frame = cursor.frameAt(timeline.ordinalOfOutput(index));
        if (frame) return this.#output(frame, index);
      } else if (timeline.complete) return undefined;
      if (jumped && cursor.current) this.#passed.keep(cursor.ordinal, cursor.current);
      if (!(await this.#advance(cursor))) cursor = await this.#restart();
    }
  }

  /** The decoded frame that output `index` shows or, if not known yet, the last one known. */
  #ordinalToDecode(index: number): number {
    const { outputCount, decodedCount } = this.#timeline;
    return index < outputCount ? this.#timeline.ordinalOfOutput(index) : decodedCount - 1;
  }

  /** A cursor from which `wanted` is reached by reading on. */
  async #cursorNear(wanted: number): Promise<DecodeCursor> {
    const cursor = this.#cursor ?? (await this.#restart());
    if (cursor.frameAt(wanted)) return cursor;
    const ahead = wanted - cursor.ordinal;
    if (ahead > 0 && (ahead <= READ_ON_FRAMES || !this.#canSeek())) return cursor;
    // What needs the frame before and has none is read from the start.
    const target = this.#needsPredecessor ? wanted - 1 : wanted;
    if (this.#canSeek() && target >= 0) {
      try {
        if (await this.#seek(cursor, target, wanted)) return cursor;
        this.#seekable = false;
      } catch (error) {
        this.#leaveHardware(error);
      }
    }
    return this.#restart();
  }

  #canSeek(): boolean {
    return this.#seekable && this.#timeline.ordered;
  }

  async #seek(cursor: DecodeCursor, target: number, wanted: number): Promise<boolean> {
    cursor.clear();
    if (!(await cursor.decoder.seek(this.#timeline.ptsOf(target)))) return false;
    if (!(await cursor.advance())) return false;
    const pts = cursor.current?.pts;
    const ordinal = pts === undefined ? -1 : this.#timeline.ordinalOfPts(pts);
    cursor.ordinal = ordinal;
    return ordinal >= 0 && ordinal <= wanted;
  }

  /** Decodes one frame more; false if decoding must start anew. */
  async #advance(cursor: DecodeCursor): Promise<boolean> {
    try {
      return await this.#decode(cursor);
    } catch (error) {
      this.#leaveHardware(error);
      return false;
    } finally {
      this.#needsPredecessor ||= cursor.decoder.deinterlaces;
    }
  }

  /** Has software decode from the next opening on. @throws any error but a device's. */
  #leaveHardware(error: unknown): void {
    if (!(error instanceof HardwareFailure)) throw error;
    this.#options.hardware?.giveUp("decoded", error);
  }

  /** As {@link #advance}; false if what comes is not what came in the first pass. */
  async #decode(cursor: DecodeCursor): Promise<boolean> {
    const timeline = this.#timeline;
    if (!(await cursor.advance())) {
      if (cursor.ordinal < timeline.decodedCount - 1) return this.#giveUpSeeking();
      timeline.finish();
      return true;
    }
    const frame = cursor.current as DecodedFrame;
    if (cursor.ordinal === timeline.decodedCount) timeline.append(frame);
    else if (timeline.ordered && timeline.ptsOf(cursor.ordinal) !== frame.pts) {
      return this.#giveUpSeeking();
    }
    return true;
  }

  #giveUpSeeking(): false {
    if (!this.#seekable) {
      throw new LatentSyncError(
        "invalid_media",
        `${this.path} gives other frames when it is read a second time.`,
        { hint: "Check that nothing writes to the file; else re-encode it." },
      );
    }
    this.#seekable = false;
    return false;
  }

  async #restart(): Promise<DecodeCursor> {
    const old = this.#cursor;
    this.#cursor = undefined;
    await old?.[Symbol.asyncDispose]();
    const cursor = new DecodeCursor(await this.#openDecoder());
    this.#cursor = cursor;
    return cursor;
  }

  async #openDecoder(): Promise<VideoDecoder> {
    const open = async (): Promise<VideoDecoder> =>
      (await openAtStart(this.path, this.#options, this.#fromKeyframe)).decoder;
    try {
      return await open();
    } catch (error) {
      this.#leaveHardware(error);
      return await open();
    }
  }

  #output(frame: DecodedFrame, index: number): FfmpegVideoFrame {
    const { framesPerSecond, startSeconds = 0, endSeconds = Infinity } = this.#options;
    const timeSeconds = this.#timeline.secondsOf(index);
    const durationSeconds =
      framesPerSecond === "source"
        ? Math.min(frame.durationSeconds, endSeconds - startSeconds - timeSeconds)
        : 1 / this.info.framesPerSecond;
    const place = { index, timeSeconds, durationSeconds };
    return new FfmpegVideoFrame(referenceFrame(frame.native), place, frame.encoding);
  }
}

/**
 * A decoder whose next frame is the keyframe at or before the part that is wanted; from the file's
 * beginning where nothing is cut off or the file cannot be sought.
 */
async function openAtStart(
  path: string,
  options: FfmpegVideoReaderOptions,
  seek: boolean,
): Promise<{ readonly decoder: VideoDecoder; readonly sought: boolean }> {
  const { startSeconds = 0 } = options;
  const decoder = await VideoDecoder.open(path, options);
  if (!seek || startSeconds === 0) return { decoder, sought: false };
  try {
    if (await decoder.seek(decoder.ptsAt(startSeconds))) return { decoder, sought: true };
  } catch (error) {
    await decoder[Symbol.asyncDispose]();
    throw error;
  }
  await decoder[Symbol.asyncDispose]();
  return { decoder: await VideoDecoder.open(path, options), sought: false };
}

/** Decodes up to the first frame of the part that is wanted: it shows that the file decodes at all. */
async function advanceToFirst(
  cursor: DecodeCursor,
  timeline: FrameTimeline,
  { startSeconds = 0, endSeconds, signal }: FfmpegVideoReaderOptions,
): Promise<void> {
  do {
    if (await cursor.advance()) timeline.append(cursor.current as DecodedFrame);
    else timeline.finish();
    signal?.throwIfAborted();
  } while (timeline.outputCount === 0 && !timeline.complete);
  if (timeline.outputCount > 0) return;
  const range = `${startSeconds} s to ${endSeconds === undefined ? "the end" : `${endSeconds} s`}`;
  const { path, durationSeconds } = cursor.decoder;
  const length = durationSeconds === undefined ? "" : ` It lasts ${durationSeconds.toFixed(3)} s.`;
  throw new LatentSyncError(
    "invalid_argument",
    `${path} has no pictures in the part from ${range}.${length}`,
    { hint: "Choose a start and an end inside the video." },
  );
}
