/**
 * Constant frame rate: how often each decoded frame is shown. The rule is that of FFmpeg n7.0.2's
 * `fftools/ffmpeg_filter.c` (`video_sync_process`, methods cfr and vscfr), which `ffmpeg -r` uses.
 * Intended difference: a gap over `maxGapSeconds` is closed instead of filled with copies.
 */

export interface FrameSelectionOptions {
  readonly framesPerSecond: number;
  /** Whether the sequence starts at the first frame even if that is late (files with one stream). */
  readonly startAtFirstFrame?: boolean;
  /** Longest time that is filled with copies of a frame. Default 600. */
  readonly maxGapSeconds?: number;
}

/** How often to show the frame before the pushed one (again), and the pushed one. */
export interface FrameRepeats {
  readonly previous: number;
  readonly current: number;
}

/** `Math.round` that rounds halves to even, as `llrint` does. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Decides frame by frame; feed it in presentation order. */
export class FrameSelection {
  readonly #rate: number;
  readonly #startAtFirstFrame: boolean;
  readonly #maxGap: number;
  /** `previous` of the last three decisions, for the end of the stream. */
  readonly #history: [number, number, number] = [0, 0, 0];
  /** Time of the next output frame, in output frames. */
  #next = 0;
  #pushed = 0;
  /** Closed gaps, in output frames. */
  #closed = 0;

  constructor(options: FrameSelectionOptions) {
    this.#rate = options.framesPerSecond;
    this.#startAtFirstFrame = options.startAtFirstFrame ?? false;
    this.#maxGap = (options.maxGapSeconds ?? 600) * options.framesPerSecond;
  }

  /**
   * @param timeSeconds presentation time from the start of the file; undefined = right after the last.
   * @param durationSeconds how long the frame is shown, 0 if not known.
   */
  push(timeSeconds: number | undefined, durationSeconds: number): FrameRepeats {
    const duration = durationSeconds * this.#rate;
    let start = this.#position(timeSeconds) - this.#next;
    if (start > this.#maxGap) {
      this.#closed += start;
      start = 0;
    }
    let end = start + duration;
    if (start < 0 && end > 0) start = 0;
    if (this.#startAtFirstFrame && this.#pushed === 0 && start >= 0.5) {
      this.#next = roundHalfEven(start);
      end = duration;
      start = 0;
    }
    return this.#decide(start, end);
  }

  /** Ends the stream: how often the last frame is shown again. */
  finish(): number {
    const [a, b, c] = this.#history;
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  }

  #position(timeSeconds: number | undefined): number {
    if (timeSeconds === undefined) return this.#next;
    const position = timeSeconds * this.#rate - this.#closed;
    // Keeps clear of exact midpoints, as FFmpeg does.
    return position + Math.sign(position) / (1 << 17);
  }

  #decide(start: number, end: number): FrameRepeats {
    let current = 1;
    let previous = 0;
    if (end < -1.1) current = 0;
    else if (end > 1.1) {
      current = roundHalfEven(end);
      if (start > 1.1) previous = roundHalfEven(start - 0.6);
    }
    this.#history[2] = this.#history[1];
    this.#history[1] = this.#history[0];
    this.#history[0] = previous;
    this.#next += current;
    this.#pushed += 1;
    return {
      previous: Math.min(previous, current),
      current: current - Math.min(previous, current),
    };
  }
}
