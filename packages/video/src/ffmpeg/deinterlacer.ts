/**
 * Makes whole frames of interlaced ones, by FFmpeg's `bwdif`, one for one. Frames that are not
 * flagged as interlaced pass bit for bit.
 */
import { AV_FRAME_FLAG_INTERLACED, type AVPixelFormat } from "node-av/constants";
import { avGetPixFmtName, type Frame } from "node-av/lib";
import { FilterChain } from "./filter-chain.ts";
import type { DecodedTime } from "./frame-timeline.ts";
import { referenceFrame } from "./native-frame.ts";

const PURPOSE = {
  failure: "FFmpeg cannot deinterlace this video",
  hint: "Deinterlace the video first.",
};

/** A picture and when it is shown; whoever takes it frees it. */
export interface TimedPicture {
  readonly native: Frame;
  readonly time: DecodedTime;
}

export class Deinterlacer implements Disposable {
  #chain: FilterChain | undefined;
  /** The picture that was put last, until the first interlaced one comes: that looks at it. */
  #before: Frame | undefined;
  /** Times of pictures in the chain; `undefined` for one that is only there to be looked at. */
  readonly #times: (DecodedTime | undefined)[] = [];
  #afterSeek = false;
  #count = 0n;

  /** Whether an interlaced picture has come. */
  get active(): boolean {
    return this.#chain !== undefined;
  }

  /** Takes over a picture. @returns the next one that is ready, often the one before. */
  async put(picture: TimedPicture): Promise<TimedPicture | undefined> {
    if (!this.#chain) {
      const passed = this.#pass(picture.native);
      if (passed) return picture;
    }
    using native = picture.native;
    if (!this.#chain) {
      await this.#start(native, picture.time);
      return undefined;
    }
    await this.#feed(native, picture.time);
    return await this.#take();
  }

  /** No more pictures will come. @returns those that are left, one a call. */
  async end(): Promise<TimedPicture | undefined> {
    if (!this.#chain || this.#times.length === 0) return undefined;
    await this.#chain.put(null);
    return await this.#take();
  }

  /**
   * Forgets all pictures, after a seek: the next one has lost the one before it, and is dropped if it
   * is interlaced.
   */
  reset(): void {
    this[Symbol.dispose]();
    this.#afterSeek = true;
  }

  [Symbol.dispose](): void {
    this.#chain?.[Symbol.dispose]();
    this.#before?.free();
    this.#chain = undefined;
    this.#before = undefined;
    this.#times.length = 0;
  }

  #pass(native: Frame): boolean {
    if (native.hasFlags(AV_FRAME_FLAG_INTERLACED)) return false;
    this.#before?.free();
    this.#before = referenceFrame(native);
    this.#afterSeek = false;
    return true;
  }

  async #start(native: Frame, time: DecodedTime): Promise<void> {
    const format = avGetPixFmtName(native.format as AVPixelFormat) ?? "";
    const steps = [
      ["bwdif", "mode=send_frame:parity=auto:deint=interlaced"],
      // Some layouts have to be changed for the filter, without loss.
      ["format", `pix_fmts=${format}`],
    ] as const;
    this.#chain = await FilterChain.create(steps, native, { num: 1, den: 1000 }, PURPOSE);
    if (this.#before) {
      using before = this.#before;
      this.#before = undefined;
      await this.#feed(before, undefined);
    }
    await this.#feed(native, this.#afterSeek ? undefined : time);
    this.#afterSeek = false;
    if (this.#times.length > 1) (await this.#chain.take())?.free();
    while (this.#times.length > 1) this.#times.shift();
  }

  async #feed(native: Frame, time: DecodedTime | undefined): Promise<void> {
    native.pts = this.#count;
    this.#count += 1n;
    this.#times.push(time);
    await this.#chain?.put(native);
  }

  async #take(): Promise<TimedPicture | undefined> {
    const native = await this.#chain?.take();
    if (!native) return undefined;
    const time = this.#times.shift();
    if (time) return { native, time };
    native.free();
    return undefined;
  }
}
