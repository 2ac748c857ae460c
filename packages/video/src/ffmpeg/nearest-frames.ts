/** A constant rate, each of whose frames shows the picture that is nearest to it in time. */
import type { FramePlacement } from "./frame-placement.ts";
import type { FrameRepeats } from "./frame-selection.ts";
import { SourceClock, type SourceClockOptions } from "./source-clock.ts";

/** Containers round times, by half of a millisecond at most; arithmetic by far less. */
const MAX_ROUNDING_SECONDS = 0.0005;
const ARITHMETIC_SECONDS = 1e-6;
/** Less of a frame than this, left over at the end of a video, is not shown. */
const LEAST_SHARE = 0.1;

/** Frames of a constant rate for as long as a video is on screen, at least one. */
export function framesWithin(seconds: number, framesPerSecond: number): number {
  return Math.max(1, Math.ceil(seconds * framesPerSecond - LEAST_SHARE));
}

export interface NearestFramesOptions extends SourceClockOptions {
  readonly framesPerSecond: number;
  /** Unit of the container's times. */
  readonly tickSeconds: number;
}

/**
 * A picture takes over half way between its predecessor's time and its own, so that a frame is off by
 * at most half of the source's interval. Where pictures come more slowly than frames, or one is held,
 * it takes over half a frame before its time: each comes with the frame that is nearest to it.
 * Of two that are equally near the later is shown, which keeps one frame for one picture where a file
 * of the same rate begins between two frames.
 */
export class NearestFrames implements FramePlacement {
  readonly #clock: SourceClock;
  readonly #framesPerSecond: number;
  readonly #tolerance: number;
  #last: number | undefined;
  #shown = 0;

  constructor(options: NearestFramesOptions) {
    this.#clock = new SourceClock(options);
    this.#framesPerSecond = options.framesPerSecond;
    this.#tolerance = Math.min(options.tickSeconds / 2, MAX_ROUNDING_SECONDS) + ARITHMETIC_SECONDS;
  }

  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats {
    const time = this.#clock.next(timeSeconds, durationSeconds);
    const previous = this.#last === undefined ? 0 : this.#showUntil(this.#takesOver(time));
    this.#last = time;
    // Later frames may show the picture that comes next.
    return { previous, current: this.#showUntil(time + this.#tolerance) };
  }

  finish(endSeconds?: number): number {
    if (this.#last === undefined) return 0;
    if (endSeconds !== undefined) this.#clock.end(endSeconds);
    const count = framesWithin(this.#clock.endSeconds, this.#framesPerSecond);
    return this.#showFrames(count);
  }

  secondsOf(index: number): number {
    return index / this.#framesPerSecond;
  }

  #takesOver(time: number): number {
    const interval = time - (this.#last ?? time);
    return time - Math.min(interval, 1 / this.#framesPerSecond) / 2 - this.#tolerance;
  }

  /** Decides on the frames before a time. @returns how many those are. */
  #showUntil(seconds: number): number {
    return this.#showFrames(Math.ceil(seconds * this.#framesPerSecond));
  }

  #showFrames(count: number): number {
    const more = Math.max(0, count - this.#shown);
    this.#shown += more;
    return more;
  }
}
