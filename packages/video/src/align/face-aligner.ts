/** The `FaceAligner` of LatentSync: affine crop and soft paste on worker threads. */
import { availableParallelism } from "node:os";
import {
  type AffineMatrix,
  type AlignedFace,
  type FaceAligner,
  type FaceTransform,
  type ImagePatch,
  LatentSyncError,
  type Rectangle,
} from "@ls/core";
import {
  type AlignWorkerData,
  type AlignWorkerReply,
  type AlignWorkerRequest,
  fromPlainError,
} from "./align-messages.ts";
import {
  checkBackground,
  checkResolution,
  type CropSize,
  cropSize,
  faceRegion,
} from "./crop-geometry.ts";
import { createFaceTransform } from "./face-transform.ts";
import { createInpaintingMask } from "./inpainting-mask.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface FaceAlignerOptions {
  /** Width and height in pixels of the model's square: 256 or 512. */
  readonly resolution: number;
  /** Number of threads; default 2, or 1 on a machine with one core. */
  readonly workers?: number;
}

interface CallOptions {
  readonly signal?: AbortSignal;
}

const MOST_WORKERS = 64;

function checkWorkers(workers: number): void {
  if (Number.isInteger(workers) && workers >= 1 && workers <= MOST_WORKERS) return;
  throw new LatentSyncError(
    "invalid_argument",
    `Face aligner: workers must be a whole number from 1 to ${MOST_WORKERS}, got ${workers}.`,
    { hint: "Leave it out for a number that suits the machine." },
  );
}

function workerEntry(): URL {
  return new URL(
    import.meta.url.endsWith(".ts") ? "./align.worker.ts" : "./align.worker.js",
    import.meta.url,
  );
}

class AffineFaceAligner implements FaceAligner {
  readonly resolution: number;
  readonly mask: Float32Array;
  readonly #crop: CropSize;
  readonly #pool: WorkerPool<AlignWorkerRequest, AlignWorkerReply>;

  constructor(resolution: number, workers: number) {
    this.resolution = resolution;
    this.mask = createInpaintingMask(resolution);
    this.#crop = cropSize(resolution);
    this.#pool = new WorkerPool({
      name: "Face aligner",
      entry: workerEntry(),
      workerData: { resolution } satisfies AlignWorkerData,
      size: workers,
    });
  }

  createTransform(): FaceTransform {
    return createFaceTransform(this.resolution);
  }

  region(matrix: AffineMatrix, width: number, height: number): Rectangle {
    return faceRegion(matrix, this.#crop, width, height);
  }

  async align(
    background: ImagePatch,
    matrix: AffineMatrix,
    options: CallOptions = {},
  ): Promise<AlignedFace> {
    checkBackground(background, matrix, this.#crop);
    const pixels = await this.#run(() => {
      const copy = copyPatch(background);
      return {
        request: { kind: "align", background: copy, matrix },
        transfer: [copy.data.buffer],
      };
    }, options.signal);
    return { pixels, matrix, background };
  }

  async restore(
    face: Float32Array,
    aligned: AlignedFace,
    options: CallOptions = {},
  ): Promise<ImagePatch> {
    const { background, matrix } = aligned;
    checkBackground(background, matrix, this.#crop);
    const data = await this.#run(() => {
      const copy = copyPatch(background);
      const ownFace = new Float32Array(face);
      return {
        request: { kind: "restore", face: ownFace, background: copy, matrix },
        transfer: [copy.data.buffer, ownFace.buffer],
      };
    }, options.signal);
    const { x, y, width, height } = background;
    return { x, y, width, height, data };
  }

  async #run(
    prepare: () => { request: AlignWorkerRequest; transfer: readonly ArrayBuffer[] },
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const reply = await this.#pool.run(prepare, signal);
    if ("error" in reply) throw fromPlainError(reply.error);
    return reply.pixels;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

/** A copy that can move to a worker while the caller keeps its own pixels. */
function copyPatch(patch: ImagePatch): ImagePatch & { readonly data: Uint8Array<ArrayBuffer> } {
  const { x, y, width, height, data } = patch;
  return { x, y, width, height, data: new Uint8Array(data) };
}

/**
 * Creates an aligner. Its threads start with the first call; dispose it to end them.
 * @throws LatentSyncError `invalid_argument`
 */
export function createFaceAligner(options: FaceAlignerOptions): FaceAligner {
  const workers = options.workers ?? Math.min(availableParallelism(), 2);
  checkResolution(options.resolution);
  checkWorkers(workers);
  return new AffineFaceAligner(options.resolution, workers);
}
