/** One run: speech and video in, video out. Its stages overlap and hold a few chunks at a time. */
import type { Guidance } from "../diffusion/guidance.ts";
import { latentSizeOf } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import type { AlignedFace, FaceAligner, FaceDetector } from "../face.ts";
import type { ImagePatch } from "../image.ts";
import type { ModelInfo } from "../model.ts";
import type { SamplingSettings } from "../quality.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { SegmentStore } from "../segments.ts";
import type { SpeechEncoder } from "../speech.ts";
import type { Tracer } from "../trace.ts";
import type { VideoFrame, VideoReader, VideoSink, VideoSource, VideoWriter } from "../video.ts";
import { groupIntoChunks } from "./chunks.ts";
import type { DeviceGroup, LoadRequest } from "./device-group.ts";
import type { BareEvent, LipSyncResult } from "./events.ts";
import type { RelativePoint } from "./face-choice.ts";
import { groupIntoBatches, readFaceChunks, releaseChunk, type VideoChunk } from "./face-chunks.ts";
import type { LanePool } from "./lane-pool.ts";
import type { ChunkLatents } from "./lane.ts";
import { openLanes } from "./lanes.ts";
import type { RunPlan } from "./memory-plan.ts";
import { unetUse } from "./networks.ts";
import { prefetch } from "./prefetch.ts";
import { prepareFrames } from "./prepare.ts";
import type { ProgressClock } from "./progress-clock.ts";
import { synchronizeBatches } from "./synced-batches.ts";
import { traced } from "./tracing.ts";

/** What a run needs beside its request. */
export interface LipSyncParts {
  readonly info: ModelInfo;
  /** Chunks are spread over its devices; the first one also analyses the speech. */
  readonly group: DeviceGroup;
  readonly aligner: FaceAligner;
  readonly speech: SpeechEncoder;
  readonly source: VideoSource;
  readonly sink: VideoSink;
  readonly detector: FaceDetector;
  readonly random: NormalGenerator;
  readonly load: Pick<LoadRequest, "chunksPerBatch" | "unchecked">;
}

/** A run's settings, complete and checked. */
export interface LipSyncSettings {
  readonly video: string;
  readonly audio: string;
  readonly output: string;
  readonly sampling: SamplingSettings;
  readonly requireFaces: boolean;
  readonly faceAt: RelativePoint | undefined;
  readonly segments: SegmentStore | undefined;
  readonly onLatents: ((latents: ChunkLatents) => void) | undefined;
  readonly tracer: Tracer | undefined;
}

/** A frame with its new face, if it has one. */
interface SyncedFrame {
  readonly frame: VideoFrame;
  readonly patch: Promise<ImagePatch | undefined>;
}

const releaseSynced = ({ frame }: SyncedFrame): void => frame[Symbol.dispose]();
const releaseBatch = (batch: readonly VideoChunk[]): void => batch.forEach(releaseChunk);

export class LipSyncRun {
  readonly #parts: LipSyncParts;
  readonly #settings: LipSyncSettings;
  readonly #emit: (event: BareEvent) => void;
  readonly #clock: ProgressClock;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #framesWithoutFace = 0;

  constructor(options: {
    readonly parts: LipSyncParts;
    readonly settings: LipSyncSettings;
    readonly emit: (event: BareEvent) => void;
    readonly clock: ProgressClock;
    readonly signal: AbortSignal;
  }) {
    this.#parts = options.parts;
    this.#settings = options.settings;
    this.#emit = options.emit;
    this.#clock = options.clock;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  async execute(): Promise<LipSyncResult> {
    const { info, group, source, sink, speech, random, load } = this.#parts;
    const { devices } = group;
    const { video, audio, output, sampling, segments, onLatents, tracer } = this.#settings;
    const { inferenceSteps: steps, guidanceScale: scale, guidanceInterval: interval } = sampling;
    const emit = this.#emit;
    const signal = this.#signal;
    // First of all, so that wrong settings and unreadable inputs cost no loading time.
    const scheduler = createScheduler({
      name: sampling.scheduler,
      config: info.scheduler,
      steps,
    });
    const guidance: Guidance = { scale, interval };
    const use = unetUse(scheduler, guidance, sampling);
    await using reader = await source.open(video, { signal });
    const plan = await group.plan({ ...load, use, video: reader.info });
    emit({ type: "plan", plan });
    emit({ type: "stage", stage: "speech" });
    const whisper = await devices[0].networks.session("whisper_encoder", signal);
    await using features = await speech.open(audio, whisper, { signal });
    await using writer = await sink.create({
      path: output,
      source: reader,
      audioPath: audio,
      signal,
    });

    const { frameCount } = features;
    const chunks = Math.ceil(frameCount / info.framesPerChunk);
    this.#clock.totalSteps = chunks * steps;
    emit({ type: "stage", stage: "load" });
    // Before any chunk draws its numbers.
    const noise = random.randn(info.latentChannels * latentSizeOf(info) ** 2);
    const batches = this.#batches(reader, features.frames({ signal }), frameCount, plan);
    const { mask } = this.#parts.aligner;
    // Opened while the first frames are being prepared.
    await using opening = openLanes({
      devices,
      settings: {
        ...{ info, scheduler, guidance, noise, mask, chunks },
        ...{ segments, onLatents, emit, tracer },
      },
      use,
      plan,
      onReady: () => emit({ type: "stage", stage: "frames" }),
      signal,
    });
    const frames = await this.#write(this.#synchronize(batches, opening.lanes, plan), {
      writer,
      frameCount,
    });
    emit({ type: "stage", stage: "finish" });
    await traced(tracer, { track: "write", name: "finish" }, () => writer.finish());
    group.keep(plan);
    return {
      output,
      frames,
      framesWithoutFace: this.#framesWithoutFace,
      framesPerSecond: reader.info.framesPerSecond,
      elapsedSeconds: this.#clock.elapsedSeconds,
    };
  }

  /** Batches of prepared chunks; with several in the model, as many wait for their turn. */
  #batches(
    reader: VideoReader,
    speech: AsyncIterable<Float32Array>,
    frameCount: number,
    plan: RunPlan,
  ): AsyncIterable<readonly VideoChunk[]> {
    const { info, detector, aligner, random } = this.#parts;
    const { requireFaces, faceAt, segments, tracer } = this.#settings;
    const signal = this.#signal;
    const frames = prepareFrames({
      ...{ reader, detector, aligner, speech, frameCount },
      ...{ requireFaces, faceAt, tracer, signal },
    });
    const chunks = readFaceChunks(groupIntoChunks(frames, info.framesPerChunk), {
      ...{ info, random, segments, signal },
    });
    const batches = groupIntoBatches(chunks, plan.chunksPerBatch);
    return plan.batchesPrepared === 0
      ? batches
      : prefetch(batches, plan.batchesPrepared, releaseBatch);
  }

  async *#synchronize(
    batches: AsyncIterable<readonly VideoChunk[]>,
    lanes: LanePool,
    plan: RunPlan,
  ): AsyncGenerator<SyncedFrame> {
    const ahead = plan.devices * plan.batchesInFlight;
    const synced = synchronizeBatches(batches, { lanes, ahead, signal: this.#signal });
    for await (const { batch, faces } of synced) {
      const rest = batch.flatMap(({ frames }) => frames);
      this.#framesWithoutFace += rest.length - faces.length;
      const generated = faces[Symbol.iterator]();
      try {
        for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
          const { frame, face } = next;
          const patch =
            face === undefined
              ? Promise.resolve(undefined)
              : this.#restore(frame.index, face, generated.next().value);
          yield { frame, patch };
        }
      } finally {
        releaseChunk({ frames: rest });
      }
    }
  }

  #restore(
    frame: number,
    aligned: AlignedFace,
    generated: Float32Array | undefined,
  ): Promise<ImagePatch | undefined> {
    if (generated === undefined) return Promise.resolve(undefined);
    const span = { track: "restore", name: "restore", details: { frame } };
    const patch = traced(this.#settings.tracer, span, () =>
      this.#parts.aligner.restore(generated, aligned, { signal: this.#signal }),
    );
    // Awaited when the frame's turn comes; until then nobody listens.
    patch.catch(() => undefined);
    return patch;
  }

  /** @returns how many frames were written. */
  async #write(
    synced: AsyncIterable<SyncedFrame>,
    { writer, frameCount }: { readonly writer: VideoWriter; readonly frameCount: number },
  ): Promise<number> {
    const { info } = this.#parts;
    const { tracer, video } = this.#settings;
    let frames = 0;
    for await (const item of prefetch(synced, info.framesPerChunk, releaseSynced)) {
      using frame = item.frame;
      try {
        this.#signal.throwIfAborted();
        const patch = await item.patch;
        const span = { track: "write", name: "write", details: { frame: frames } };
        await traced(tracer, span, () => writer.write(frame, patch));
      } catch (error) {
        // What is being made for later frames must not be waited for.
        this.#stop.abort(error);
        throw error;
      }
      frames += 1;
      this.#emit({ type: "frames", frames, totalFrames: frameCount });
    }
    if (this.#framesWithoutFace < frames) return frames;
    throw new LatentSyncError(
      "no_face",
      `None of the ${frames} frames of ${video} shows a usable face.`,
      {
        hint: "Use a video with a face of at least 50 x 80 pixels, or give the points with --landmarks.",
      },
    );
  }
}
