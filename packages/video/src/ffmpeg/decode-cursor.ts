import type { DecodedFrame, VideoDecoder } from "./video-decoder.ts";

/** A decoder with the frame it stands at and the one before. */
export class DecodeCursor implements AsyncDisposable {
  readonly decoder: VideoDecoder;
  current: DecodedFrame | undefined;
  previous: DecodedFrame | undefined;
  /** Position of `current` among all decoded frames; -1 before the first. */
  ordinal = -1;

  constructor(decoder: VideoDecoder) {
    this.decoder = decoder;
  }

  /** Moves one frame on; false at the end. */
  async advance(): Promise<boolean> {
    const next = await this.decoder.next();
    if (!next) return false;
    this.previous?.native.free();
    this.previous = this.current;
    this.current = next;
    this.ordinal += 1;
    return true;
  }

  frameAt(ordinal: number): DecodedFrame | undefined {
    if (ordinal === this.ordinal) return this.current;
    return ordinal === this.ordinal - 1 ? this.previous : undefined;
  }

  clear(): void {
    this.previous?.native.free();
    this.current?.native.free();
    this.previous = undefined;
    this.current = undefined;
    this.ordinal = -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    await this.decoder[Symbol.asyncDispose]();
  }
}
