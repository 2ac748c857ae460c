/**
 * What a reader remembers of a file: the times of decoded frames and which of them each output
 * frame shows, so that every later pass gives the same pictures. 12 to 20 bytes a frame.
 */
import type { FramePlacement } from "./frame-placement.ts";
import { GrowingArray } from "./growing-array.ts";

/** A frame that begins this much before a limit begins at it: containers round to milliseconds. */
const ROUNDING_SECONDS = 0.001;

export interface DecodedTime {
  /** Presentation time in the stream's time base; undefined if the file gives none. */
  readonly pts: number | undefined;
  readonly timeSeconds: number | undefined;
  readonly durationSeconds: number;
}

/** Part of a file, in seconds of its time. */
export interface TimeRange {
  readonly startSeconds?: number | undefined;
  readonly endSeconds?: number | undefined;
}

export class FrameTimeline {
  readonly #placement: FramePlacement;
  readonly #decoded: GrowingArray = new GrowingArray(new Float64Array(256));
  readonly #outputs: GrowingArray = new GrowingArray(new Uint32Array(256));
  /** The part's limits; 0 for the start if it is not cut. */
  readonly #start: number;
  readonly #end: number;
  /** The last frame that begins at the start or before: it is on screen there. */
  #onScreen:
    | { readonly ordinal: number; readonly from: number; readonly until: number }
    | undefined;
  #placed = false;
  #decodedEnd = 0;
  #complete = false;
  #ordered = true;

  constructor(placement: FramePlacement, range: TimeRange = {}) {
    this.#placement = placement;
    this.#start = range.startSeconds ?? 0;
    this.#end = range.endSeconds ?? Number.POSITIVE_INFINITY;
  }

  /** Frames decoded so far, counted from where decoding starts. */
  get decodedCount(): number {
    return this.#decoded.length;
  }

  /** Output frames known so far. */
  get outputCount(): number {
    return this.#outputs.length;
  }

  /** Whether the end of the file, or of the part of it, has been reached. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether times tell frames apart: all given, and strictly increasing. */
  get ordered(): boolean {
    return this.#ordered;
  }

  /** Whether decoding started late for the part that is wanted. */
  get startsLate(): boolean {
    return this.#start > 0 && this.#onScreen === undefined && this.#outputs.length > 0;
  }

  /** Appends the next decoded frame; one past the part's end completes the timeline instead. */
  append(time: DecodedTime): void {
    const startsAt = time.timeSeconds ?? this.#decodedEnd;
    this.#decodedEnd = startsAt + time.durationSeconds;
    if (startsAt >= this.#end - ROUNDING_SECONDS) {
      this.#placeOnScreen();
      this.#finish(this.#end - this.#start);
      return;
    }
    const ordinal = this.#remember(time.pts ?? Number.NaN);
    if (this.#start > 0 && startsAt <= this.#start + ROUNDING_SECONDS) {
      this.#onScreen = { ordinal, from: startsAt, until: this.#decodedEnd };
      return;
    }
    this.#placeOnScreen();
    const own = time.timeSeconds === undefined ? undefined : time.timeSeconds - this.#start;
    this.#place(ordinal, own, Math.min(time.durationSeconds, this.#end - startsAt));
  }

  /** Marks the end of the file. */
  finish(): void {
    if (this.#onScreen && this.#onScreen.until > this.#start + ROUNDING_SECONDS) {
      this.#placeOnScreen();
    }
    this.#finish();
  }

  /** Position among decoded frames of the picture that output frame `index` shows. */
  ordinalOfOutput(index: number): number {
    return this.#outputs.at(index);
  }

  /** When an output frame is shown, from the sequence's start on. */
  secondsOf(index: number): number {
    return this.#placement.secondsOf(index);
  }

  ptsOf(ordinal: number): number {
    return this.#decoded.at(ordinal);
  }

  /** Position of the decoded frame with this time, or -1. Only where {@link ordered}. */
  ordinalOfPts(pts: number): number {
    let low = 0;
    let high = this.#decoded.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const value = this.#decoded.at(middle);
      if (value === pts) return middle;
      if (value < pts) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #remember(pts: number): number {
    const ordinal = this.#decoded.length;
    if (!(ordinal === 0 ? !Number.isNaN(pts) : pts > this.#decoded.at(ordinal - 1))) {
      this.#ordered = false;
    }
    this.#decoded.push(pts);
    return ordinal;
  }

  #placeOnScreen(): void {
    if (this.#onScreen === undefined || this.#placed) return;
    const { ordinal, from, until } = this.#onScreen;
    const end = Math.max(this.#start, Math.min(until, this.#end));
    this.#place(ordinal, from - this.#start, end - from);
  }

  #place(ordinal: number, timeSeconds: number | undefined, durationSeconds: number): void {
    const { previous, current } = this.#placement.push(timeSeconds, durationSeconds);
    this.#placed = true;
    for (let copy = 0; copy < previous; copy++) this.#outputs.push(Math.max(0, ordinal - 1));
    for (let copy = 0; copy < current; copy++) this.#outputs.push(ordinal);
  }

  #finish(endSeconds?: number): void {
    if (this.#complete) return;
    this.#complete = true;
    const copies = this.#placement.finish(endSeconds);
    for (let copy = 0; copy < copies; copy++) this.#outputs.push(this.#decoded.length - 1);
  }
}
