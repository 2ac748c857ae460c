/** The `OcclusionDetector` for hands and things such as microphones, in worker threads. */
import { availableParallelism } from "node:os";
import { LatentSyncError, type OcclusionDetector } from "@ls/core";
import { WorkerPool } from "../align/worker-pool.ts";
import type {
  OcclusionReply,
  OcclusionRequest,
  OcclusionWorkerData,
} from "./occlusion-messages.ts";

const NAME = "Occlusion detector";
/** A thread does some 200 free faces a second, and holds some 100 MB. */
const CORES_PER_THREAD = 8;
const MOST_THREADS = 4;

export interface OcclusionDetectorOptions {
  /** Folder of `handlandmark-lite.json`; default: that of `@vladmandic/human`. */
  readonly modelFolder?: string;
}

/**
 * Finds hands by MediaPipe's hand landmark network (Apache-2.0), and other things by their colour: a
 * solid patch over the lips of a colour that faces do not have, which ends sharply. A call looks at its
 * faces alone: it remembers nothing, so that a run that is taken up again gives the same.
 *
 * It errs towards finding nothing, as what is taken for an occluder gets no new mouth. Not found are a
 * second hand; things of the colour of skin or lips, such as wood; things that leave the middle of the
 * lips free, and thin ones, such as a straw or a headset's arm; things without sharp edges; in footage
 * without colour, things at all; what is there for less than three frames, and some hands that come
 * and go within sixteen.
 *
 * Threads start with the calls that need them, one for eight cores at most; dispose the detector to
 * end them.
 */
export function createOcclusionDetector(options: OcclusionDetectorOptions = {}): OcclusionDetector {
  return new WorkerOcclusionDetector(options.modelFolder);
}

class WorkerOcclusionDetector implements OcclusionDetector {
  readonly #pool: WorkerPool<OcclusionRequest, OcclusionReply>;

  constructor(modelFolder: string | undefined) {
    const entry = import.meta.url.endsWith(".ts")
      ? "./occlusion.worker.ts"
      : "./occlusion.worker.js";
    const threads = Math.floor(availableParallelism() / CORES_PER_THREAD);
    this.#pool = new WorkerPool({
      name: NAME,
      entry: new URL(entry, import.meta.url),
      workerData: { modelFolder } satisfies OcclusionWorkerData,
      size: Math.min(Math.max(threads, 1), MOST_THREADS),
    });
  }

  async detect(
    faces: readonly Uint8Array[],
    resolution: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly (Float32Array | undefined)[]> {
    checkFaces(faces, resolution);
    const reply = await this.#pool.run(() => {
      const copies = faces.map((face) => new Uint8Array(face));
      return {
        request: { faces: copies, resolution },
        transfer: copies.map(({ buffer }) => buffer),
      };
    }, options.signal);
    if ("covers" in reply) return reply.covers;
    const { code, message, hint } = reply.failure;
    throw new LatentSyncError(code, message, hint === undefined ? {} : { hint });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

const LEAST_RESOLUTION = 64;
const MOST_RESOLUTION = 1024;

function checkFaces(faces: readonly Uint8Array[], resolution: number): void {
  const isPossible = resolution >= LEAST_RESOLUTION && resolution <= MOST_RESOLUTION;
  if (!Number.isInteger(resolution) || !isPossible) {
    throw new LatentSyncError(
      "invalid_argument",
      `${NAME}: resolution must be a whole number from ${LEAST_RESOLUTION} to ${MOST_RESOLUTION}, got ${resolution}.`,
      { hint: "Pass the aligner's resolution." },
    );
  }
  const expected = 3 * resolution * resolution;
  const wrong = faces.find(({ length }) => length !== expected);
  if (wrong === undefined) return;
  throw new LatentSyncError(
    "invalid_argument",
    `${NAME}: a face at a resolution of ${resolution} must have ${expected} bytes, got ${wrong.length}.`,
    { hint: "Pass the pixels of aligned faces as they are." },
  );
}
