/** The times of a file's frames, made fit to place frames by: they increase, and do not jump. */

/** A frame that is not later than the one before comes this much later: the finest of Matroska. */
export const LEAST_STEP_SECONDS = 0.001;
/** Times that go back by more than this begin anew, as in streams that were joined. */
const JUMP_BACK_SECONDS = 1;

export interface SourceClockOptions {
  /** Whether the sequence starts at the first frame even if that is late (files with one stream). */
  readonly startAtFirstFrame: boolean;
  /** Longer gaps are closed: they are jumps of the container's clock. */
  readonly maxGapSeconds: number;
}

export class SourceClock {
  readonly #options: SourceClockOptions;
  /** What is taken off the container's times. */
  #shift = 0;
  #last: number | undefined;
  #interval = 0;
  #end = 0;

  constructor(options: SourceClockOptions) {
    this.#options = options;
  }

  /** When the last frame goes off the screen, if nothing follows. */
  get endSeconds(): number {
    return this.#end;
  }

  /**
   * The next frame, in presentation order.
   * @param timeSeconds in the container's time; undefined = as long after the last as that came
   *   after its own predecessor, or as its duration tells.
   * @returns when it comes, in the sequence's time: later than the one before.
   */
  next(timeSeconds: number | undefined, durationSeconds: number): number {
    const time = timeSeconds === undefined ? this.#expected : timeSeconds - this.#shift;
    const placed = this.#last === undefined ? this.#first(time) : this.#after(this.#last, time);
    this.#interval = placed - (this.#last ?? placed);
    this.#last = placed;
    this.#end = Math.max(this.#end, placed + durationSeconds);
    return placed;
  }

  /** Tells when the last frame goes off the screen, where the file says that. */
  end(timeSeconds: number): void {
    const time = timeSeconds - this.#shift;
    if (time <= this.#end + this.#options.maxGapSeconds) this.#end = Math.max(this.#end, time);
  }

  /** When the next frame comes if nothing tells: durations may be of a tick only. */
  get #expected(): number {
    return Math.max(this.#end, (this.#last ?? 0) + this.#interval);
  }

  #first(time: number): number {
    const { startAtFirstFrame, maxGapSeconds } = this.#options;
    if (!startAtFirstFrame && time <= maxGapSeconds) return time;
    this.#shift = time;
    return 0;
  }

  #after(last: number, time: number): number {
    const jumps = time > this.#end + this.#options.maxGapSeconds || time < last - JUMP_BACK_SECONDS;
    if (!jumps) return Math.max(time, last + LEAST_STEP_SECONDS);
    const joined = Math.max(this.#end, last + LEAST_STEP_SECONDS);
    this.#shift += time - joined;
    return joined;
  }
}
