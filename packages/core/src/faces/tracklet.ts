/** A face that is seen without interruption: its numbers over the frames of one shot. */
import type { Face } from "../face.ts";
import type { Rectangle } from "../image.ts";
import { MeanAppearance } from "./appearance.ts";

/** Per frame: x, y of the three alignment points; x, y, width, height of the box; the mouth. */
export const VALUES_PER_FRAME = 11;
const BOX = 6;
const MOUTH = 10;
/** Frames over which the speed is taken. */
const SPEED_FRAMES = 3;

/** Who a face is. */
export interface Person {
  /** From 1, in the order of appearance. */
  readonly number: number;
  readonly appearance: MeanAppearance;
}

export class Tracklet {
  readonly shot: number;
  /** First frame. */
  readonly start: number;
  readonly appearance: MeanAppearance = new MeanAppearance();
  /** Known once the face was seen often enough. */
  person: Person | undefined;
  /** Frames in which the detector saw the face. */
  sightings = 0;
  /** And in which it shows nothing of another shot. */
  clearSightings = 0;
  /** No frame will be added. */
  ended = false;
  #values = new Float32Array(32 * VALUES_PER_FRAME);
  #length = 0;
  readonly #hidden = new Set<number>();

  constructor(shot: number, start: number) {
    this.shot = shot;
    this.start = start;
  }

  /** Last frame in which the face was seen. */
  get last(): number {
    return this.start + this.#length - 1;
  }

  covers(frame: number): boolean {
    return frame >= this.start && frame <= this.last && !this.#hidden.has(frame);
  }

  /**
   * Adds a sighting; frames that were missed since the one before are interpolated.
   * @param mixed the picture shows another shot, too: it does not tell what the face looks like.
   */
  add(frame: number, face: Face, mixed: boolean): void {
    const missed = this.sightings === 0 ? 0 : frame - this.last - 1;
    const before = this.#length - 1;
    this.#grow(missed + 1);
    const at = this.#length - 1;
    this.#write(at, face);
    for (let step = 1; step <= missed; step++) {
      const part = step / (missed + 1);
      for (let value = 0; value < VALUES_PER_FRAME; value++) {
        const from = this.#value(before, value);
        const to = this.#value(at, value);
        this.#values[(before + step) * VALUES_PER_FRAME + value] = from + (to - from) * part;
      }
    }
    this.sightings += 1;
    if (mixed) return;
    this.clearSightings += 1;
    if (face.appearance === undefined) return;
    this.appearance.add(face.appearance);
    this.person?.appearance.add(face.appearance);
  }

  /** The picture does not show the face in this frame, though before and after. */
  hide(frame: number): void {
    this.#hidden.add(frame);
  }

  /** One of the {@link VALUES_PER_FRAME} at a frame from `start` to `last`. */
  valueAt(frame: number, value: number): number {
    return this.#value(frame - this.start, value);
  }

  boxAt(frame: number): Rectangle {
    const [x, y, width, height] = [0, 1, 2, 3].map((side) => this.valueAt(frame, BOX + side));
    return { x, y, width, height } as Rectangle;
  }

  /** How far the mouth is open; NaN if the detector does not tell. */
  mouthAt(frame: number): number {
    return this.valueAt(frame, MOUTH);
  }

  /** Where the face should be at a frame after the last, if it goes on at its speed. */
  expectedBox(frame: number): Rectangle {
    const { last } = this;
    const box = this.boxAt(last);
    const steps = Math.min(SPEED_FRAMES, this.#length - 1);
    if (steps === 0) return box;
    const before = this.boxAt(last - steps);
    const ahead = (frame - last) / steps;
    return {
      ...box,
      x: box.x + (box.x + box.width / 2 - before.x - before.width / 2) * ahead,
      y: box.y + (box.y + box.height / 2 - before.y - before.height / 2) * ahead,
    };
  }

  #value(row: number, value: number): number {
    return this.#values[row * VALUES_PER_FRAME + value] as number;
  }

  #grow(frames: number): void {
    const length = this.#length + frames;
    if (length * VALUES_PER_FRAME > this.#values.length) {
      const larger = new Float32Array(2 * length * VALUES_PER_FRAME);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#length = length;
  }

  #write(row: number, { points, box, mouthOpening }: Face): void {
    const { x, y, width, height } = box;
    const values = [...points.flat(), x, y, width, height, mouthOpening ?? Number.NaN];
    this.#values.set(values, row * VALUES_PER_FRAME);
  }
}
