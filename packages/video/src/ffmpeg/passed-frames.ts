import type { Frame } from "node-av/lib";
import { layoutOf, referenceFrame } from "./native-frame.ts";
import type { DecodedFrame } from "./video-decoder.ts";

/** About 40 frames of 1080p: with them a video that is read backward decodes half as much. */
const BUDGET_BYTES = 128 << 20;

/**
 * The last frames that decoding passed on its way from a keyframe to the one that was asked for.
 * Whoever reads backward in blocks asks for them next, each once.
 */
export class PassedFrames implements Disposable {
  readonly #frames: Map<number, DecodedFrame> = new Map<number, DecodedFrame>();
  #bytes = 0;
  /** The frame that {@link get} gave last. */
  #given: number | undefined;

  get count(): number {
    return this.#frames.size;
  }

  /** Keeps a reference to a frame; the oldest ones go when the budget is spent. */
  keep(ordinal: number, frame: DecodedFrame): void {
    if (this.#frames.has(ordinal)) return;
    this.#frames.set(ordinal, { ...frame, native: referenceFrame(frame.native) });
    this.#bytes += sizeOf(frame.native);
    for (const oldest of this.#frames.keys()) {
      if (this.#bytes <= BUDGET_BYTES) return;
      this.#drop(oldest);
    }
  }

  /** A kept frame. It is given up when another one is asked for. */
  get(ordinal: number): DecodedFrame | undefined {
    if (this.#given !== undefined && this.#given !== ordinal) this.#drop(this.#given);
    this.#given = ordinal;
    return this.#frames.get(ordinal);
  }

  clear(): void {
    for (const ordinal of this.#frames.keys()) this.#drop(ordinal);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #drop(ordinal: number): void {
    const frame = this.#frames.get(ordinal);
    if (frame === undefined) return;
    this.#frames.delete(ordinal);
    this.#bytes -= sizeOf(frame.native);
    frame.native.free();
  }
}

function sizeOf(frame: Frame): number {
  const strides = frame.linesize;
  return layoutOf(frame).planes.reduce(
    (sum, { shiftY }, plane) => sum + (strides[plane] ?? 0) * -(-frame.height >> shiftY),
    0,
  );
}
