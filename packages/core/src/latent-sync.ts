/** The engine: a model on a runtime, ready to lip-sync videos. */
import { LatentSyncError } from "./errors.ts";
import type { FaceAligner, FaceDetector } from "./face.ts";
import type { LatentSyncModel, ModelInfo } from "./model.ts";
import type { LipSyncEvent } from "./pipeline/events.ts";
import type { RelativePoint } from "./pipeline/face-choice.ts";
import { LatestEvents } from "./pipeline/latest-events.ts";
import { type ChunkLatents, LipSyncRun, type LipSyncSettings } from "./pipeline/lip-sync.ts";
import { Networks } from "./pipeline/networks.ts";
import { ProgressClock } from "./pipeline/progress-clock.ts";
import type { NormalGenerator } from "./random/normal-generator.ts";
import { torchCpuGenerator } from "./random/torch-cpu.ts";
import type { Precision, Runtime } from "./runtime.ts";
import type { SegmentStore } from "./segments.ts";
import type { SpeechEncoder } from "./speech.ts";
import type { VideoSink, VideoSource } from "./video.ts";

/** The parts that an engine is made of. They stay the caller's to dispose, after the engine. */
export interface LatentSyncOptions {
  readonly model: LatentSyncModel;
  readonly runtime: Runtime;
  /** Default: the runtime's preferred one. */
  readonly precision?: Precision;
  readonly speech: SpeechEncoder;
  readonly source: VideoSource;
  readonly sink: VideoSink;
  readonly detector: FaceDetector;
  /** Its resolution must be the model's. */
  readonly aligner: FaceAligner;
}

/** One video to make. */
export interface LipSyncRequest {
  /** Path of a video with a face. */
  readonly video: string;
  /** Path of the speech: a sound file, or a video whose sound is used. */
  readonly audio: string;
  /** Path of the video to write. It appears when it is complete. */
  readonly output: string;
  /** Denoising steps, 1 to 1000. Default 20. */
  readonly inferenceSteps?: number;
  /** How strongly the speech moves the mouth, 1.0 to 3.0 in practice; 1 or less: no guidance. Default 1.5. */
  readonly guidanceScale?: number;
  /** Seed of PyTorch's CPU generator. Default 1247. */
  readonly seed?: number;
  /** Random numbers of another kind, such as {@link torchCudaGenerator}; `seed` is then not used. */
  readonly random?: NormalGenerator;
  /** Reuse deep features in two steps of three: less than half the work, a little less exact. */
  readonly deepCache?: boolean;
  /** What to do with frames that show no face. Default `pass`: they stay as they are. */
  readonly framesWithoutFace?: "pass" | "fail";
  /**
   * Which face of several: the one nearest to this point in the first frame that shows faces, from
   * (0, 0) left top to (1, 1). It is followed from frame to frame; frames without it count as frames
   * without a face. Default: the detector's first in every frame.
   */
  readonly faceAt?: RelativePoint;
  /**
   * Keeps what is finished, so that the same request goes on where an earlier one was stopped. Every
   * input and setting must be the same: a store belongs to one request.
   */
  readonly segments?: SegmentStore;
  /** Another detector, for this run only. */
  readonly detector?: FaceDetector;
  /** Another sink, for this run only. */
  readonly sink?: VideoSink;
  /** Called with the latents after every step that this run does. */
  readonly onLatents?: (latents: ChunkLatents) => void;
  /** Stops the run within one denoising step; nothing is left behind but `segments`. */
  readonly signal?: AbortSignal;
}

export class LatentSync implements AsyncDisposable {
  readonly #options: LatentSyncOptions;
  readonly #networks: Networks;
  /** The end of the last run that was started: runs of one engine follow one another. */
  #lastRun: Promise<unknown> = Promise.resolve();
  #disposed = false;

  private constructor(options: LatentSyncOptions, networks: Networks) {
    this.#options = options;
    this.#networks = networks;
  }

  /**
   * Makes an engine. Networks are opened when a run first needs them, and kept.
   * @throws LatentSyncError `invalid_argument` if the parts do not fit together.
   */
  static async load(options: LatentSyncOptions): Promise<LatentSync> {
    const { model, runtime, aligner } = options;
    const precision = options.precision ?? runtime.capabilities.precisions[0];
    if (!runtime.capabilities.precisions.includes(precision)) {
      throw new LatentSyncError(
        "invalid_argument",
        `The runtime ${runtime.name} does not compute in ${precision}, only in ${runtime.capabilities.precisions.join(" and ")}.`,
        { hint: "Choose one of these, or leave the precision to the runtime." },
      );
    }
    if (aligner.resolution !== model.info.resolution) {
      throw new LatentSyncError(
        "invalid_argument",
        `The aligner works at ${aligner.resolution} pixels, but ${model.info.name} needs ${model.info.resolution}.`,
        { hint: "Create the aligner with the model's resolution." },
      );
    }
    return new LatentSync(options, new Networks({ model, runtime, precision }));
  }

  get model(): ModelInfo {
    return this.#options.model.info;
  }

  /**
   * Lip-syncs one video and reports on the way; the last event is `done`. Breaking out of the loop
   * aborts the run. Runs of one engine wait for one another; use several engines to run side by side.
   * @throws LatentSyncError, or the signal's reason.
   */
  async *run(request: LipSyncRequest): AsyncGenerator<LipSyncEvent, void, undefined> {
    const settings = checkRequest(request);
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ...(request.signal ? [request.signal] : [])]);
    const clock = new ProgressClock();
    const events = new LatestEvents<LipSyncEvent>();
    const turn = this.#lastRun;
    const work = async (): Promise<void> => {
      await beforeAbort(turn, signal);
      if (this.#disposed) throw new LatentSyncError("disposed", "The engine is disposed.");
      const { model, aligner, speech, source } = this.#options;
      const run = new LipSyncRun({
        parts: {
          info: model.info,
          networks: this.#networks,
          aligner,
          speech,
          source,
          sink: request.sink ?? this.#options.sink,
          detector: request.detector ?? this.#options.detector,
          random: request.random ?? torchCpuGenerator(request.seed ?? DEFAULT_SEED),
        },
        settings,
        emit: (event) => {
          const key = event.type === "stage" ? `stage ${event.stage}` : event.type;
          events.push(key, clock.stamp(event));
        },
        clock,
        signal,
      });
      const result = await run.execute();
      events.push("done", clock.stamp({ type: "done", result }));
    };
    const working = work().then(
      () => events.end(),
      (error: unknown) => events.fail(signal.aborted ? signal.reason : error),
    );
    // A run that gives up waiting must not let the next one overtake the run before it.
    this.#lastRun = Promise.all([turn, working]).then(() => undefined);
    try {
      yield* events;
    } finally {
      stop.abort(new LatentSyncError("disposed", "The run was given up by its consumer."));
      await working;
    }
  }

  /** Waits for runs that are under way, then frees the networks. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#lastRun;
    await this.#networks[Symbol.asyncDispose]();
  }
}

const DEFAULT_SEED = 1247;

/** Waits for `promise`, which never fails. @throws the signal's reason, at once, on abort. */
async function beforeAbort(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function checkRequest(request: LipSyncRequest): LipSyncSettings {
  const { inferenceSteps = 20, guidanceScale = 1.5, output, video, audio, faceAt } = request;
  if (!Number.isFinite(guidanceScale) || guidanceScale < 0 || guidanceScale > 20) {
    throw new LatentSyncError(
      "invalid_argument",
      `guidanceScale must be a number from 0 to 20, but is ${guidanceScale}.`,
      { hint: "Usual values are 1.0 to 3.0." },
    );
  }
  if (faceAt !== undefined && ![faceAt.x, faceAt.y].every((value) => value >= 0 && value <= 1)) {
    throw new LatentSyncError(
      "invalid_argument",
      `faceAt must have x and y from 0 to 1, but is ${faceAt.x}, ${faceAt.y}.`,
      { hint: "Divide pixels by the frame's width and height." },
    );
  }
  for (const [name, input] of Object.entries({ video, audio })) {
    if (input === output) {
      throw new LatentSyncError(
        "invalid_argument",
        `The output ${output} is also the ${name} input.`,
        { hint: "Write to another file." },
      );
    }
  }
  return {
    video,
    audio,
    output,
    inferenceSteps,
    guidanceScale,
    deepCache: request.deepCache ?? false,
    requireFaces: request.framesWithoutFace === "fail",
    faceAt,
    segments: request.segments,
    onLatents: request.onLatents,
  };
}
