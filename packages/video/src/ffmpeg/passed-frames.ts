import type { Frame } from "node-av/lib";
import { framePlanes, referenceFrame } from "./native-frame.ts";
import type { DecodedFrame } from "./video-decoder.ts";

/** About 40 frames of 1080p: with them a video that is read backward decodes half as much. */
const BUDGET_BYTES = 128 << 20;

/**
 * The last frames that decoding passed on its way from a keyframe to the one that was asked for.
 * Whoever reads backward in blocks asks for them next.
 */
export class PassedFrames implements Disposable {
  readonly #frames: Map<number, DecodedFrame> = new Map<number, DecodedFrame>();
  #bytes = 0;

  /** Keeps a reference to a frame; the oldest ones go when the budget is spent. */
  keep(ordinal: number, frame: DecodedFrame): void {
    if (this.#frames.has(ordinal)) return;
    this.#frames.set(ordinal, { ...frame, native: referenceFrame(frame.native) });
    this.#bytes += sizeOf(frame.native);
    for (const [oldest, { native }] of this.#frames) {
      if (this.#bytes <= BUDGET_BYTES) return;
      this.#bytes -= sizeOf(native);
      native.free();
      this.#frames.delete(oldest);
    }
  }

  get(ordinal: number): DecodedFrame | undefined {
    return this.#frames.get(ordinal);
  }

  clear(): void {
    for (const { native } of this.#frames.values()) native.free();
    this.#frames.clear();
    this.#bytes = 0;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

function sizeOf(frame: Frame): number {
  return framePlanes(frame).reduce((sum, { stride, rows }) => sum + stride * rows, 0);
}
