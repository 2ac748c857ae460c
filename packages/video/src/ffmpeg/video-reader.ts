import { LatentSyncError, type VideoFrame, type VideoInfo, type VideoReader } from "@ls/core";
import type { AVPixelFormat } from "node-av/constants";
import { avGetCodecName, avGetPixFmtName } from "node-av/lib";
import { describeColour } from "./colour.ts";
import { FfmpegVideoFrame } from "./ffmpeg-video-frame.ts";
import { FrameSelection } from "./frame-selection.ts";
import { FrameTimeline } from "./frame-timeline.ts";
import { HardwareFailure, type VideoHardware } from "./hardware.ts";
import { referenceFrame } from "./native-frame.ts";
import { PassedFrames } from "./passed-frames.ts";
import { type DecodedFrame, VideoDecoder } from "./video-decoder.ts";

/** Reading on is cheaper than seeking up to about this many frames. */
const READ_ON_FRAMES = 48;
/** Gaps that are filled with copies, for containers whose times may jump, and for others. */
const MAX_JUMP_SECONDS = 10;
const MAX_GAP_SECONDS = 600;

export interface FfmpegVideoReaderOptions {
  readonly framesPerSecond: number;
  readonly threads: number;
  /** Default: software. */
  readonly hardware?: VideoHardware | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A decoder with the frame it stands at and the one before. */
class Cursor implements AsyncDisposable {
  readonly decoder: VideoDecoder;
  current: DecodedFrame | undefined;
  previous: DecodedFrame | undefined;
  /** Position of `current` among all decoded frames; -1 before the first. */
  ordinal = -1;

  constructor(decoder: VideoDecoder) {
    this.decoder = decoder;
  }

  /** Moves one frame on; false at the end. */
  async advance(): Promise<boolean> {
    const next = await this.decoder.next();
    if (!next) return false;
    this.previous?.native.free();
    this.previous = this.current;
    this.current = next;
    this.ordinal += 1;
    return true;
  }

  frameAt(ordinal: number): DecodedFrame | undefined {
    if (ordinal === this.ordinal) return this.current;
    return ordinal === this.ordinal - 1 ? this.previous : undefined;
  }

  clear(): void {
    this.previous?.native.free();
    this.current?.native.free();
    this.previous = undefined;
    this.current = undefined;
    this.ordinal = -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    await this.decoder[Symbol.asyncDispose]();
  }
}

export class FfmpegVideoReader implements VideoReader {
  readonly info: VideoInfo;
  readonly path: string;
  readonly #options: FfmpegVideoReaderOptions;
  readonly #timeline: FrameTimeline;
  readonly #passed = new PassedFrames();
  #cursor: Cursor | undefined;
  #seekable = true;
  #iterating = false;
  #decoding: Promise<unknown> | undefined;
  #disposed = false;

  private constructor(cursor: Cursor, timeline: FrameTimeline, options: FfmpegVideoReaderOptions) {
    this.path = cursor.decoder.path;
    this.info = describe(cursor, options.framesPerSecond);
    this.#cursor = cursor;
    this.#timeline = timeline;
    this.#options = options;
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

  static async #open(path: string, options: FfmpegVideoReaderOptions): Promise<FfmpegVideoReader> {
    const cursor = new Cursor(await VideoDecoder.open(path, options));
    try {
      const timeline = new FrameTimeline(
        new FrameSelection({
          framesPerSecond: options.framesPerSecond,
          startAtFirstFrame: cursor.decoder.isOnlyStream,
          maxGapSeconds: cursor.decoder.mayJump ? MAX_JUMP_SECONDS : MAX_GAP_SECONDS,
        }),
      );
      // The first frame shows that the file decodes at all, and what its frames are.
      await cursor.advance();
      if (cursor.current) timeline.append(cursor.current);
      options.signal?.throwIfAborted();
      return new FfmpegVideoReader(cursor, timeline, options);
    } catch (error) {
      await cursor[Symbol.asyncDispose]();
      throw error;
    }
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
    if (passed) return outputFrame(passed, index);
    const before = this.#cursor?.ordinal ?? -1;
    let cursor = await this.#cursorNear(wanted);
    const jumped = cursor.ordinal < before;
    if (jumped) this.#passed.clear();
    for (;;) {
      signal?.throwIfAborted();
      if (index < timeline.outputCount) {
        const frame = cursor.frameAt(timeline.ordinalOfOutput(index));
        if (frame) return outputFrame(frame, index);
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
  async #cursorNear(wanted: number): Promise<Cursor> {
    const cursor = this.#cursor ?? (await this.#restart());
    if (cursor.frameAt(wanted)) return cursor;
    const ahead = wanted - cursor.ordinal;
    if (ahead > 0 && (ahead <= READ_ON_FRAMES || !this.#canSeek())) return cursor;
    if (this.#canSeek()) {
      try {
        if (await this.#seek(cursor, wanted)) return cursor;
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

  async #seek(cursor: Cursor, wanted: number): Promise<boolean> {
    cursor.clear();
    if (!(await cursor.decoder.seek(this.#timeline.ptsOf(wanted)))) return false;
    if (!(await cursor.advance())) return false;
    const pts = cursor.current?.pts;
    const ordinal = pts === undefined ? -1 : this.#timeline.ordinalOfPts(pts);
    cursor.ordinal = ordinal;
    return ordinal >= 0 && ordinal <= wanted;
  }

  /** Decodes one frame more; false if decoding must start anew. */
  async #advance(cursor: Cursor): Promise<boolean> {
    try {
      return await this.#decode(cursor);
    } catch (error) {
      this.#leaveHardware(error);
      return false;
    }
  }

  /** Has software decode from the next opening on. @throws any error but a device's. */
  #leaveHardware(error: unknown): void {
    if (!(error instanceof HardwareFailure)) throw error;
    this.#options.hardware?.giveUp("decoded", error);
  }

  /** As {@link #advance}; false if what comes is not what came in the first pass. */
  async #decode(cursor: Cursor): Promise<boolean> {
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

  async #restart(): Promise<Cursor> {
    const old = this.#cursor;
    this.#cursor = undefined;
    await old?.[Symbol.asyncDispose]();
    const cursor = new Cursor(await this.#openDecoder());
    this.#cursor = cursor;
    return cursor;
  }

  async #openDecoder(): Promise<VideoDecoder> {
    try {
      return await VideoDecoder.open(this.path, this.#options);
    } catch (error) {
      this.#leaveHardware(error);
      return await VideoDecoder.open(this.path, this.#options);
    }
  }
}

function outputFrame(frame: DecodedFrame, index: number): FfmpegVideoFrame {
  return new FfmpegVideoFrame(referenceFrame(frame.native), index, frame.encoding);
}

function describe(cursor: Cursor, framesPerSecond: number): VideoInfo {
  const { decoder, current } = cursor;
  const native = (current as DecodedFrame).native;
  const seconds = decoder.durationSeconds;
  const { codecpar } = decoder.stream;
  return {
    width: native.width,
    height: native.height,
    framesPerSecond,
    estimatedFrameCount: seconds === undefined ? undefined : Math.round(seconds * framesPerSecond),
    description: [
      avGetCodecName(codecpar.codecId) ?? "unknown codec",
      avGetPixFmtName(native.format as AVPixelFormat) ?? "unknown format",
      describeColour(native),
    ].join(", "),
  };
}
