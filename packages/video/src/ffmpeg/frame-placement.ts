/** Where decoded frames go in a reader's sequence: at a constant rate, or at their own times. */
import type { FrameRepeats, FrameSelection } from "./frame-selection.ts";
import { GrowingArray } from "./growing-array.ts";
import { LEAST_STEP_SECONDS, SourceClock, type SourceClockOptions } from "./source-clock.ts";

/** Decides frame by frame; feed it in presentation order. */
export interface FramePlacement {
  /**
   * @param timeSeconds presentation time, negative for a frame that is on screen when the sequence
   *   begins; undefined = right after the last.
   * @param durationSeconds how long the frame is shown, 0 if not known.
   */
  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats;
  /**
   * Ends the stream: how often the last frame is shown again.
   * @param endSeconds when it goes off the screen, if more is known of that than its duration.
   */
  finish(endSeconds?: number): number;
  /** When an output frame is shown, from the sequence's start on. */
  secondsOf(index: number): number;
}

/** A constant rate by the rule of `ffmpeg -r`. */
export class ConstantRate implements FramePlacement {
  readonly #selection: FrameSelection;
  readonly #framesPerSecond: number;

  constructor(selection: FrameSelection, framesPerSecond: number) {
    this.#selection = selection;
    this.#framesPerSecond = framesPerSecond;
  }

  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats {
    return this.#selection.push(timeSeconds, durationSeconds);
  }

  finish(): number {
    return this.#selection.finish();
  }

  secondsOf(index: number): number {
    return index / this.#framesPerSecond;
  }
}

const ONCE: FrameRepeats = { previous: 0, current: 1 };

/**
 * Every frame once, at its own time. The first one is at 0, and on screen from there to the second
 * one, so that what was in step with the container's clock stays so.
 */
export class SourceTimes implements FramePlacement {
  readonly #clock: SourceClock;
  readonly #times: GrowingArray = new GrowingArray(new Float64Array(256));

  constructor(options: SourceClockOptions) {
    this.#clock = new SourceClock(options);
  }

  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats {
    const time = this.#clock.next(timeSeconds, durationSeconds);
    const count = this.#times.length;
    this.#times.push(
      count === 0 ? 0 : Math.max(time, this.#times.at(count - 1) + LEAST_STEP_SECONDS),
    );
    return ONCE;
  }

  finish(): number {
    return 0;
  }

  secondsOf(index: number): number {
    return this.#times.at(index);
  }
}
