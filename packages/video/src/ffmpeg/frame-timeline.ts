/**
 * What a reader remembers of a file: the times of decoded frames and which of them each output
 * frame shows, so that every later pass gives the same pictures. 12 bytes a frame.
 */
import type { FrameSelection } from "./frame-selection.ts";

/** A typed array that grows by doubling. */
class GrowingArray {
  #values: Float64Array | Uint32Array;
  length = 0;

  constructor(values: Float64Array | Uint32Array) {
    this.#values = values;
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new (this.#values.constructor as Float64ArrayConstructor)(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length] = value;
    this.length += 1;
  }

  at(index: number): number {
    return index < this.length ? (this.#values[index] as number) : Number.NaN;
  }
}

export interface DecodedTime {
  /** Presentation time in the stream's time base; undefined if the file gives none. */
  readonly pts: number | undefined;
  readonly timeSeconds: number | undefined;
  readonly durationSeconds: number;
}

export class FrameTimeline {
  readonly #selection: FrameSelection;
  readonly #decoded: GrowingArray = new GrowingArray(new Float64Array(256));
  readonly #outputs: GrowingArray = new GrowingArray(new Uint32Array(256));
  #complete = false;
  #ordered = true;

  constructor(selection: FrameSelection) {
    this.#selection = selection;
  }

  /** Frames decoded so far, counted from the start of the file. */
  get decodedCount(): number {
    return this.#decoded.length;
  }

  /** Output frames known so far. */
  get outputCount(): number {
    return this.#outputs.length;
  }

  /** Whether the end of the file has been reached. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether times tell frames apart: all given, and strictly increasing. */
  get ordered(): boolean {
    return this.#ordered;
  }

  /** Appends the next decoded frame. */
  append(time: DecodedTime): void {
    const ordinal = this.#decoded.length;
    const pts = time.pts ?? Number.NaN;
    if (!(ordinal === 0 ? !Number.isNaN(pts) : pts > this.#decoded.at(ordinal - 1))) {
      this.#ordered = false;
    }
    this.#decoded.push(pts);
    const { previous, current } = this.#selection.push(time.timeSeconds, time.durationSeconds);
    for (let copy = 0; copy < previous; copy++) this.#outputs.push(Math.max(0, ordinal - 1));
    for (let copy = 0; copy < current; copy++) this.#outputs.push(ordinal);
  }

  /** Marks the end of the file. */
  finish(): void {
    if (this.#complete) return;
    this.#complete = true;
    const copies = this.#decoded.length === 0 ? 0 : this.#selection.finish();
    for (let copy = 0; copy < copies; copy++) this.#outputs.push(this.#decoded.length - 1);
  }

  /** Position among decoded frames of the picture that output frame `index` shows. */
  ordinalOfOutput(index: number): number {
    return this.#outputs.at(index);
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
}
