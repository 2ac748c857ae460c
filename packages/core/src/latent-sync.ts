/** The engine: a model on a runtime, ready to lip-sync videos. */
import { LatentSyncError } from "./errors.ts";
import type { FaceAligner, FaceDetector } from "./face.ts";
import { type FootageOptions, resolveFootage } from "./footage.ts";
import type { LatentSyncModel, ModelInfo } from "./model.ts";
import type { OcclusionDetector } from "./occlusion.ts";
import { DeviceGroup } from "./pipeline/device-group.ts";
import type { LipSyncEvent } from "./pipeline/events.ts";
import type { ChunkLatents } from "./pipeline/lane.ts";
import { LatestEvents } from "./pipeline/latest-events.ts";
import { type LipSyncParts, LipSyncRun, type LipSyncSettings } from "./pipeline/lip-sync.ts";
import { ProgressClock } from "./pipeline/progress-clock.ts";
import { resolveSampling, type SamplingOptions } from "./quality.ts";
import type { NormalGenerator } from "./random/normal-generator.ts";
import { torchCpuGenerator } from "./random/torch-cpu.ts";
import type { MemoryInfo, Precision, Runtime } from "./runtime.ts";
import type { SegmentStore } from "./segments.ts";
import type { SpeechEncoder } from "./speech.ts";
import type { Tracer } from "./trace.ts";
import type { VideoSink, VideoSource } from "./video.ts";

/** The parts that an engine is made of. They stay the caller's to dispose, after the engine. */
export interface LatentSyncOptions {
  readonly model: LatentSyncModel;
  /**
   * Where the networks run. Chunks of a video are spread over several, which must be of one kind:
   * the frames are the same as of one.
   */
  readonly runtime: Runtime | readonly [Runtime, ...Runtime[]];
  /** Default: the runtime's preferred one. */
  readonly precision?: Precision;
  /** Memory of this machine, now. Without it a run that needs more is not refused. */
  readonly hostMemory?: () => Promise<MemoryInfo | undefined>;
  readonly speech: SpeechEncoder;
  readonly source: VideoSource;
  readonly sink: VideoSink;
  readonly detector: FaceDetector;
  /** Its resolution must be the model's. */
  readonly aligner: FaceAligner;
  /** Without it nothing is taken to be in front of a face. */
  readonly occlusion?: OcclusionDetector;
}

/** The official script's. */
export const DEFAULT_SEED = 1247;

/** One video to make, and how much work to put into it: as the official pipeline, if nothing is said. */
export interface LipSyncRequest extends SamplingOptions, FootageOptions {
  /** Path of a video with a face. */
  readonly video: string;
  /** Path of the speech: a sound file, or a video whose sound is used. */
  readonly audio: string;
  /** Path of the video to write. It appears when it is complete. */
  readonly output: string;
  /** Seed of PyTorch's CPU generator. Default {@link DEFAULT_SEED}. */
  readonly seed?: number;
  /** Random numbers of another kind, such as {@link torchCudaGenerator}; `seed` is then not used. */
  readonly random?: NormalGenerator;
  /** Tags of the output file, by FFmpeg's names, such as `comment`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Keeps what is finished, so that the same request goes on where an earlier one was stopped. Every
   * input and setting must be the same: a store belongs to one request.
   */
  readonly segments?: SegmentStore;
  /** Another detector, for this run only. */
  readonly detector?: FaceDetector;
  /** Another sink, for this run only. */
  readonly sink?: VideoSink;
  /**
   * Chunks that are denoised together, 1 to 64, at most: as many as memory allows. Kernels may round
   * otherwise for a batch than for one, so with `segments` the default is 1: a run that goes on makes
   * other batches. Without, it is 1 on a CPU and 2 on an accelerator whose memory is known.
   */
  readonly chunksPerBatch?: number;
  /** Whether to refuse what will not fit into memory. Default true. */
  readonly checkMemory?: boolean;
  /** Is told what took place when. */
  readonly trace?: Tracer;
  /** Called with the latents after every step that this run does. */
  readonly onLatents?: (latents: ChunkLatents) => void;
  /** Stops the run within one denoising step; nothing is left behind but `segments`. */
  readonly signal?: AbortSignal;
}

export class LatentSync implements AsyncDisposable {
  readonly #options: LatentSyncOptions;
  readonly #group: DeviceGroup;
  /** The end of the last run that was started: runs of one engine follow one another. */
  #lastRun: Promise<unknown> = Promise.resolve();
  #disposed = false;

  private constructor(options: LatentSyncOptions, group: DeviceGroup) {
    this.#options = options;
    this.#group = group;
  }

  /**
   * Makes an engine. Networks are opened when a run first needs them, and kept.
   * @throws LatentSyncError `invalid_argument` if the parts do not fit together.
   */
  static async load(options: LatentSyncOptions): Promise<LatentSync> {
    const { model, runtime, aligner } = options;
    if (aligner.resolution !== model.info.resolution) {
      throw new LatentSyncError(
        "invalid_argument",
        `The aligner works at ${aligner.resolution} pixels, but ${model.info.name} needs ${model.info.resolution}.`,
        { hint: "Create the aligner with the model's resolution." },
      );
    }
    const group = new DeviceGroup({
      model,
      runtimes: "capabilities" in runtime ? [runtime] : runtime,
      precision: options.precision,
      hostMemory: options.hostMemory ?? (async () => undefined),
    });
    return new LatentSync(options, group);
  }

  get model(): ModelInfo {
    return this.#options.model.info;
  }

  /** Arithmetic of the networks: what was asked for, or what the runtime prefers. */
  get precision(): Precision {
    return this.#group.precision;
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
      using _recording = this.#group.record(request.trace);
      const run = new LipSyncRun({
        parts: this.#partsOf(request),
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
    await this.#group[Symbol.asyncDispose]();
  }

  #partsOf(request: LipSyncRequest): LipSyncParts {
    const { model, aligner, occlusion, speech, source, sink, detector } = this.#options;
    const { segments, checkMemory = true } = request;
    const chunksPerBatch = request.chunksPerBatch ?? (segments === undefined ? undefined : 1);
    return {
      ...{ aligner, occlusion, speech, source, info: model.info, group: this.#group },
      sink: request.sink ?? sink,
      detector: request.detector ?? detector,
      random: request.random ?? torchCpuGenerator(request.seed ?? DEFAULT_SEED),
      load: { chunksPerBatch, unchecked: !checkMemory },
    };
  }
}

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
  const { output, video, audio, chunksPerBatch = 1 } = request;
  if (!Number.isInteger(chunksPerBatch) || chunksPerBatch < 1 || chunksPerBatch > 64) {
    throw new LatentSyncError(
      "invalid_argument",
      `chunksPerBatch must be an integer from 1 to 64, but is ${chunksPerBatch}.`,
      { hint: "Leave it out to have as many as are usual for the device." },
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
    sampling: resolveSampling(request),
    footage: resolveFootage(request),
    metadata: request.metadata,
    segments: request.segments,
    onLatents: request.onLatents,
    tracer: request.trace,
  };
}
