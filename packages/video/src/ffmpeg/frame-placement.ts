/** Where decoded frames go in a reader's sequence: at a constant rate, or at their own times. */
import type { FrameRepeats, FrameSelection } from "./frame-selection.ts";
import { GrowingArray } from "./growing-array.ts";

/** Decides frame by frame; feed it in presentation order. */
export interface FramePlacement {
  /**
   * @param timeSeconds presentation time; undefined = right after the last.
   * @param durationSeconds how long the frame is shown, 0 if not known.
   */
  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats;
  /** Ends the stream: how often the last frame is shown again. */
  finish(): number;
  /** When an output frame is shown, from the sequence's start on. */
  secondsOf(index: number): number;
}

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
/** A frame that is not later than the one before is shown this much later: the finest of Matroska. */
const LEAST_STEP_SECONDS = 0.001;
/** Times that go back by more than this begin anew, as in streams that were joined. */
const JUMP_BACK_SECONDS = 1;

export interface SourceTimesOptions {
  /** Whether the sequence starts at the first frame even if that is late (files with one stream). */
  readonly startAtFirstFrame: boolean;
  /** Longer gaps are closed: they are jumps of the container's clock. */
  readonly maxGapSeconds: number;
}

/**
 * Every frame once, at its own time. The first one is at 0, and on screen from there to the second
 * one, so that what was in step with the container's clock stays so.
 */
export class SourceTimes implements FramePlacement {
  readonly #options: SourceTimesOptions;
  readonly #times: GrowingArray = new GrowingArray(new Float64Array(256));
  /** What is taken off the container's times. */
  #shift = 0;
  #last = 0;
  #end = 0;

  constructor(options: SourceTimesOptions) {
    this.#options = options;
  }

  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats {
    const time = timeSeconds === undefined ? this.#end : timeSeconds - this.#shift;
    this.#last = this.#times.length === 0 ? this.#first(time) : this.#next(time);
    this.#end = Math.max(this.#end, this.#last + durationSeconds);
    this.#times.push(this.#last);
    return ONCE;
  }

  finish(): number {
    return 0;
  }

  secondsOf(index: number): number {
    return this.#times.at(index);
  }

  #first(time: number): number {
    const { startAtFirstFrame, maxGapSeconds } = this.#options;
    if (startAtFirstFrame || time > maxGapSeconds) this.#shift = time;
    return 0;
  }

  #next(time: number): number {
    const jumps =
      time > this.#end + this.#options.maxGapSeconds || time < this.#last - JUMP_BACK_SECONDS;
    if (!jumps) return Math.max(time, this.#last + LEAST_STEP_SECONDS);
    const joined = Math.max(this.#end, this.#last + LEAST_STEP_SECONDS);
    this.#shift += time - joined;
    return joined;
  }
}
