/** Groups frames for denoising. Frames without a face take no part, and keep their place. */
import type { PreparedFrame } from "./prepare.ts";

/**
 * Runs of consecutive frames of one shot, in which the model sees at most `framesPerChunk` frames with
 * faces. The model's attention over time links all faces of a run, so that a run ends at a cut, and
 * where no face was seen for half a chunk: what lies on either side of such a gap is no neighbour.
 */
export async function* groupIntoChunks(
  frames: AsyncIterable<PreparedFrame>,
  framesPerChunk: number,
): AsyncGenerator<PreparedFrame[]> {
  let run = new Run();
  const take = (): PreparedFrame[] => {
    const { frames: complete } = run;
    run = new Run();
    return complete;
  };
  try {
    for await (const frame of frames) {
      const complete = run.isCutBy(frame) ? take() : [];
      run.push(frame);
      if (complete.length > 0) yield complete;
      const isFull = run.seen >= framesPerChunk || run.sinceLastFace >= framesPerChunk / 2;
      if (isFull && frame.endsSlot) yield take();
    }
    if (run.frames.length > 0) yield take();
  } finally {
    for (const { frame } of run.frames) frame[Symbol.dispose]();
  }
}

class Run {
  readonly frames: PreparedFrame[] = [];
  /** Model frames with faces. */
  seen = 0;
  /** Model frames without a face since then. */
  sinceLastFace = 0;
  #shot: number | undefined;
  #lastSlot: number | undefined;

  isCutBy({ shot }: PreparedFrame): boolean {
    return shot !== undefined && this.#shot !== undefined && shot !== this.#shot;
  }

  push(frame: PreparedFrame): void {
    this.frames.push(frame);
    this.#shot ??= frame.shot;
    const hasFace = frame.faces.length > 0;
    if (hasFace && frame.slot !== this.#lastSlot) {
      this.seen += 1;
      this.#lastSlot = frame.slot;
    }
    if (hasFace) this.sinceLastFace = 0;
    else if (frame.endsSlot) this.sinceLastFace += 1;
  }
}
