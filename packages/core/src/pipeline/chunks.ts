/** Groups frames for denoising. Frames without a face take no part, and keep their place. */
import type { PreparedFrame } from "./prepare.ts";

/**
 * Runs of consecutive frames with at most `framesPerChunk` faces in each. A run ends early when as
 * many faceless frames have come since its last face, so that memory stays bounded.
 */
export async function* groupIntoChunks(
  frames: AsyncIterable<PreparedFrame>,
  framesPerChunk: number,
): AsyncGenerator<PreparedFrame[]> {
  let run: PreparedFrame[] = [];
  let faces = 0;
  let sinceLastFace = 0;
  try {
    for await (const frame of frames) {
      run.push(frame);
      if (frame.face === undefined) {
        sinceLastFace += 1;
      } else {
        faces += 1;
        sinceLastFace = 0;
      }
      if (faces === framesPerChunk || sinceLastFace === framesPerChunk) {
        const complete = run;
        run = [];
        faces = 0;
        sinceLastFace = 0;
        yield complete;
      }
    }
    if (run.length > 0) {
      const last = run;
      run = [];
      yield last;
    }
  } finally {
    for (const { frame } of run) frame[Symbol.dispose]();
  }
}
