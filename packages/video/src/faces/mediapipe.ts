/** The default face detector: MediaPipe's BlazeFace and FaceMesh in a worker thread. */
import { Worker } from "node:worker_threads";
import {
  type FaceDetector,
  LatentSyncError,
  type Picture,
  type Rectangle,
  type RgbImage,
  rgbOf,
} from "@ls/core";
import { THREAD_LIMITS } from "../thread-limits.ts";
import { DEFAULT_FACE_LIMITS, type FaceLimits, filterFaces } from "./filter-faces.ts";
import type {
  DetectRequest,
  MediaPipeFace,
  MediaPipeReply,
  MediaPipeWorkerData,
} from "./mediapipe-messages.ts";
import { checkRgbImage } from "./rgb-image-check.ts";
import type { TensorFlowBackend } from "./tensorflow.ts";

const DEFAULT_DETECTION_INTERVAL = 10;

export interface MediaPipeDetectorOptions {
  /** Default `auto`: `node-gpu` when `@tensorflow/tfjs-node-gpu` is installed, else `wasm`. */
  readonly backend?: TensorFlowBackend;
  /**
   * Folder of `blazeface.json`, `facemesh.json` and, if there, `faceres.json`; default: that of
   * `@vladmandic/human`.
   */
  readonly modelFolder?: string;
  /** Which faces to leave out; those that are not given are {@link DEFAULT_FACE_LIMITS}. */
  readonly limits?: Partial<FaceLimits>;
  /**
   * Whether small, turned and cut-off faces are also searched for in frames that show another face
   * at a glance, whenever the whole frame is searched: slower, and for footage of several people.
   * Default false.
   */
  readonly thorough?: boolean;
  /** Whether faces get their `appearance`, about every 50 frames. Default true. */
  readonly measureAppearance?: boolean;
  /**
   * Frames from one search of the whole frame to the next, while consecutive frames are given and
   * every face is where it was; default 10. With 1 no frame depends on the one before.
   */
  readonly detectionInterval?: number;
  /** Aborts the loading. */
  readonly signal?: AbortSignal;
}

/** A {@link FaceDetector} that measures mouths and tells what it runs on. */
export interface MediaPipeDetector extends FaceDetector {
  /** TensorFlow.js' name of the backend: `wasm` or `tensorflow`. */
  readonly backend: string;
  detect(...args: Parameters<FaceDetector["detect"]>): Promise<readonly MediaPipeFace[]>;
}

/**
 * Starts the worker thread and loads the networks. Use one detector per video.
 * @throws LatentSyncError `not_found` or `invalid_model` for the model files, `unsupported` if the
 *   backend cannot be had, `invalid_argument` for an option.
 */
export async function createMediaPipeDetector(
  options: MediaPipeDetectorOptions = {},
): Promise<MediaPipeDetector> {
  options.signal?.throwIfAborted();
  const limits = { ...DEFAULT_FACE_LIMITS, ...options.limits };
  const detectionInterval = options.detectionInterval ?? DEFAULT_DETECTION_INTERVAL;
  if (!Number.isInteger(detectionInterval) || detectionInterval < 1) {
    throw new LatentSyncError(
      "invalid_argument",
      `detectionInterval must be a whole number of 1 or more, but is ${detectionInterval}.`,
    );
  }
  const worker = new FaceWorker({
    backend: options.backend ?? "auto",
    modelFolder: options.modelFolder,
    finder: {
      detectionInterval,
      maxFaces: limits.maxFaces,
      minWidth: limits.minWidth,
      thorough: options.thorough ?? false,
    },
    measureAppearance: options.measureAppearance ?? true,
  });
  try {
    const ready = await orAborted(worker.ready, options.signal);
    return new WorkerDetector(worker, ready.backend, limits);
  } catch (error) {
    await worker[Symbol.asyncDispose]();
    throw error;
  }
}

class WorkerDetector implements MediaPipeDetector {
  readonly backend: string;
  readonly #worker: FaceWorker;
  readonly #limits: Partial<FaceLimits>;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(worker: FaceWorker, backend: string, limits: Partial<FaceLimits>) {
    this.backend = backend;
    this.#worker = worker;
    this.#limits = limits;
  }

  async detect(
    picture: Picture | RgbImage,
    frameIndex: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly MediaPipeFace[]> {
    const { signal } = options;
    signal?.throwIfAborted();
    if ("data" in picture) checkRgbImage(picture);
    const turn = this.#queue.then(() => {
      signal?.throwIfAborted();
      return this.#worker.detect(picture, frameIndex);
    });
    this.#queue = turn.catch(() => undefined);
    return filterFaces(await orAborted(turn, signal), this.#limits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker[Symbol.asyncDispose]();
  }
}

interface FrameShape {
  readonly index: number;
  readonly width: number;
  readonly height: number;
}

/** One request at a time to the worker thread, which keeps the process alive only while it works. */
class FaceWorker implements AsyncDisposable {
  readonly ready: Promise<Extract<MediaPipeReply, { kind: "ready" }>>;
  readonly #worker: Worker;
  #waiting: PromiseWithResolvers<MediaPipeReply> | undefined;
  /** Memory that came back: fresh memory for every frame of 1080p is 6 MB to collect. */
  #spare: ArrayBuffer | undefined;
  /** What the worker needs of the frame that follows the last one. */
  #next: { readonly frame: FrameShape; readonly region: Rectangle } | undefined;
  #ended: LatentSyncError | undefined;

  constructor(data: MediaPipeWorkerData) {
    const entry = import.meta.url.endsWith(".ts")
      ? "./mediapipe.worker.ts"
      : "./mediapipe.worker.js";
    this.#worker = new Worker(new URL(entry, import.meta.url), {
      workerData: data,
      resourceLimits: THREAD_LIMITS,
    });
    this.#worker.on("message", (reply: MediaPipeReply) => this.#waiting?.resolve(reply));
    this.#worker.on("error", (cause) => this.#end("runtime", "failed", cause));
    this.#worker.on("exit", () => this.#end("runtime", "ended unexpectedly"));
    this.ready = this.#reply("ready");
    this.ready.catch(() => undefined);
  }

  async detect(picture: Picture | RgbImage, index: number): Promise<readonly MediaPipeFace[]> {
    const { width, height } = picture;
    const frame: FrameShape = { index, width, height };
    const region = this.#regionOf(frame);
    const followed = region === undefined ? undefined : await this.#ask(picture, frame, region);
    if (followed !== undefined) return followed;
    return (await this.#ask(picture, frame, { x: 0, y: 0, width, height })) ?? [];
  }

  #regionOf({ index, width, height }: FrameShape): Rectangle | undefined {
    if (this.#next === undefined) return undefined;
    const { frame, region } = this.#next;
    const isNext = frame.index + 1 === index && frame.width === width && frame.height === height;
    return isNext ? region : undefined;
  }

  /** The faces in a part of the picture; `undefined` if the worker needs the whole of it. */
  async #ask(
    picture: Picture | RgbImage,
    frame: FrameShape,
    region: Rectangle,
  ): Promise<readonly MediaPipeFace[] | undefined> {
    const data = this.#copyOf((await rgbOf(picture, region)).data);
    const part = { ...region, data, frameWidth: frame.width, frameHeight: frame.height };
    const request: DetectRequest = { part, frameIndex: frame.index };
    const reply = this.#reply("faces");
    if (this.#ended === undefined) this.#worker.postMessage(request, [data.buffer]);
    const { faces, nextRegion, pixels } = await reply;
    this.#spare = pixels;
    this.#next = nextRegion === undefined ? undefined : { frame, region: nextRegion };
    return faces;
  }

  /** A copy to move to the worker, in the memory of the one before where that is large enough. */
  #copyOf(data: Uint8Array): Uint8Array<ArrayBuffer> {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare === undefined || spare.byteLength < data.length) return new Uint8Array(data);
    const copy = new Uint8Array(spare, 0, data.length);
    copy.set(data);
    return copy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end("disposed", "was disposed");
    await this.#worker.terminate();
  }

  async #reply<K extends "ready" | "faces">(
    kind: K,
  ): Promise<Extract<MediaPipeReply, { kind: K }>> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#waiting = Promise.withResolvers();
    this.#worker.ref();
    try {
      const reply = await this.#waiting.promise;
      if (reply.kind === "failure") {
        throw new LatentSyncError(reply.code, reply.message, {
          ...(reply.hint === undefined ? {} : { hint: reply.hint }),
          ...(reply.cause === undefined ? {} : { cause: new Error(reply.cause) }),
        });
      }
      if (reply.kind !== kind) throw new Error(`The worker sent ${reply.kind} instead of ${kind}.`);
      return reply as Extract<MediaPipeReply, { kind: K }>;
    } finally {
      this.#waiting = undefined;
      // Whoever waits for the end of the thread needs it to hold the process until then.
      if (this.#ended === undefined) this.#worker.unref();
    }
  }

  #end(code: "runtime" | "disposed", what: string, cause?: unknown): void {
    this.#ended ??= new LatentSyncError(code, `The MediaPipe face detector ${what}.`, { cause });
    this.#waiting?.reject(this.#ended);
  }
}

/** What `promise` gives, unless `signal` fires first. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  promise.catch(() => undefined);
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
