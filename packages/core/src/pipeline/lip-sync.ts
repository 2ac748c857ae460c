/** One run: speech and video in, video out. Its stages overlap and hold a few chunks at a time. */
import type { Guidance } from "../diffusion/guidance.ts";
import { latentSizeOf } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import type { FaceAligner, FaceDetector } from "../face.ts";
import { trackFaces } from "../faces/face-timeline.ts";
import type { FootageSettings } from "../footage.ts";
import type { ImagePatch } from "../image.ts";
import type { ModelInfo } from "../model.ts";
import type { OcclusionDetector } from "../occlusion.ts";
import type { SamplingSettings } from "../quality.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import { Resources } from "../resources.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { SegmentStore } from "../segments.ts";
import type { SpeechEncoder } from "../speech.ts";
import type { Tracer } from "../trace.ts";
import type {
  VideoFrame,
  VideoReader,
  VideoReadOptions,
  VideoSink,
  VideoSource,
  VideoWriter,
} from "../video.ts";
import { groupIntoChunks } from "./chunks.ts";
import type { DeviceGroup, LoadRequest } from "./device-group.ts";
import type { BareEvent, LipSyncResult } from "./events.ts";
import {
  type FaceChunk,
  groupIntoBatches,
  readFaceChunks,
  releaseChunk,
  type VideoChunk,
} from "./face-chunks.ts";
import { type FaceLocator, FrameLocator, timelineLocator } from "./face-locator.ts";
import type { LanePool } from "./lane-pool.ts";
import type { ChunkLatents } from "./lane.ts";
import { openLanes } from "./lanes.ts";
import type { RunPlan } from "./memory-plan.ts";
import { MouthPainter } from "./mouth-painter.ts";
import { unetUse } from "./networks.ts";
import { estimatePictures } from "./playback.ts";
import { prefetch } from "./prefetch.ts";
import { type PreparedFace, prepareFrames } from "./prepare.ts";
import type { ProgressClock } from "./progress-clock.ts";
import { SpeechTrack } from "./speech-track.ts";
import { type GeneratedFaces, synchronizeBatches } from "./synced-batches.ts";
import { traced } from "./tracing.ts";

/** What a run needs beside its request. */
export interface LipSyncParts {
  readonly info: ModelInfo;
  /** Chunks are spread over its devices; the first one also analyses the speech. */
  readonly group: DeviceGroup;
  readonly aligner: FaceAligner;
  readonly occlusion: OcclusionDetector | undefined;
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
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly sampling: SamplingSettings;
  readonly footage: FootageSettings;
  readonly segments: SegmentStore | undefined;
  readonly onLatents: ((latents: ChunkLatents) => void) | undefined;
  readonly tracer: Tracer | undefined;
}

/** A frame with its new mouths, if it has any. */
interface SyncedFrame {
  readonly frame: VideoFrame;
  readonly timeSeconds: number;
  readonly patches: Promise<readonly ImagePatch[]>;
}

/** What the stages between reading and writing work on. */
interface Footage {
  readonly reader: VideoReader;
  readonly locator: FaceLocator;
  readonly speech: SpeechTrack;
  /** Model frames that the speech lasts for. */
  readonly slots: number;
  /** Pictures of the output, about. */
  readonly pictures: number;
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
  readonly #painter: MouthPainter;
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
    const { footage, tracer } = options.settings;
    this.#painter = new MouthPainter({
      aligner: options.parts.aligner,
      occlusion: footage.keepOcclusions ? options.parts.occlusion : undefined,
      matchColour: footage.matchColour,
      tracer,
      signal: this.#signal,
    });
  }

  async execute(): Promise<LipSyncResult> {
    const { info, group, source, sink, speech, random, load } = this.#parts;
    const { devices } = group;
    const { video, audio, output, metadata, sampling, segments, onLatents, tracer } =
      this.#settings;
    const { loop, silence } = this.#settings.footage;
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
    await using reader = await source.open(video, this.#reading);
    const plan = await group.plan({ ...load, use, video: reader.info });
    emit({ type: "plan", plan });
    emit({ type: "stage", stage: "speech" });
    const whisper = await devices[0].networks.session("whisper_encoder", signal);
    await using features = await speech.open(audio, whisper, { signal });
    await using writer = await sink.create({
      path: output,
      source: reader,
      audioPath: audio,
      ...(metadata === undefined ? {} : { metadata }),
      signal,
    });

    const slots = features.frameCount;
    const pictures = estimatePictures({ reader, slots, loop });
    await using locating = await this.#locate(pictures);
    await using heard = new SpeechTrack(features, silence, signal);
    const footage: Footage = { reader, slots, pictures, speech: heard, locator: locating.locator };
    const chunks = Math.ceil(slots / info.framesPerChunk);
    this.#clock.totalSteps = chunks * steps;
    emit({ type: "stage", stage: "load" });
    // Before any chunk draws its numbers.
    const noise = random.randn(info.latentChannels * latentSizeOf(info) ** 2);
    const batches = this.#batches(footage, plan);
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
    const synced = this.#synchronize(batches, { lanes: opening.lanes, plan, pictures });
    const frames = await this.#write(synced, writer, pictures);
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

  get #reading(): VideoReadOptions {
    const { framesPerSecond, startSeconds, endSeconds } = this.#settings.footage;
    return {
      framesPerSecond,
      ...(startSeconds === undefined ? {} : { startSeconds }),
      ...(endSeconds === undefined ? {} : { endSeconds }),
      signal: this.#signal,
    };
  }

  /** Finds faces: ahead of the run in a reader of its own, or in each frame as it comes. */
  async #locate(pictures: number): Promise<AsyncDisposable & { readonly locator: FaceLocator }> {
    const { detector, aligner, source } = this.#parts;
    const { footage, tracer, video } = this.#settings;
    const signal = this.#signal;
    const { followFaces, face, loop } = footage;
    const resources = new Resources();
    const dispose = (): Promise<void> => resources[Symbol.asyncDispose]();
    if (!followFaces || detector.exact === true) {
      const locator = new FrameLocator({ detector, aligner, tracer, signal });
      return { locator, [Symbol.asyncDispose]: dispose };
    }
    try {
      const reader = resources.use(await source.open(video, this.#reading));
      const end = loop === "silence" ? Number.POSITIVE_INFINITY : pictures;
      const timeline = trackFaces({ reader, detector, selection: face, end, tracer, signal });
      const locator = timelineLocator(resources.use(timeline), aligner);
      return { locator, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  /** Batches of prepared chunks; with several in the model, as many wait for their turn. */
  #batches(footage: Footage, plan: RunPlan): AsyncIterable<readonly VideoChunk[]> {
    const { info, aligner, random } = this.#parts;
    const { segments, tracer } = this.#settings;
    const { loop, requireFaces } = this.#settings.footage;
    const signal = this.#signal;
    const frames = prepareFrames({ ...footage, loop, requireFaces, aligner, tracer, signal });
    const chunks = readFaceChunks(groupIntoChunks(frames, info.framesPerChunk), {
      ...{ info, random, segments, signal },
      painter: this.#painter,
    });
    const batches = groupIntoBatches(chunks, plan.chunksPerBatch);
    return plan.batchesPrepared === 0
      ? batches
      : prefetch(batches, plan.batchesPrepared, releaseBatch);
  }

  async *#synchronize(
    batches: AsyncIterable<readonly VideoChunk[]>,
    options: { readonly lanes: LanePool; readonly plan: RunPlan; readonly pictures: number },
  ): AsyncGenerator<SyncedFrame> {
    const { lanes, pictures } = options;
    const { devices, batchesInFlight, chunksPerBatch } = options.plan;
    const ahead = devices * batchesInFlight;
    const signal = this.#signal;
    const work = { frames: 0, chunks: 0 };
    const synced = synchronizeBatches(batches, { lanes, ahead, chunksPerBatch, signal });
    for await (const { batch, faces: generated } of synced) {
      const rest = batch.flatMap(({ frames }) => frames);
      try {
        for (const { frames, faces, covers } of batch) {
          work.frames += frames.length;
          work.chunks += faces.length;
          const mouths = mouthsOf(faces, generated);
          const covered = await covers;
          for (const prepared of frames) {
            rest.shift();
            const { frame, timeSeconds, showsFace } = prepared;
            if (!showsFace) this.#framesWithoutFace += 1;
            const patches = this.#painter.paint(prepared, (face) => mouths.get(face), covered);
            // Awaited when the frame's turn comes; until then nobody listens.
            patches.catch(() => undefined);
            yield { frame, timeSeconds, patches };
          }
        }
      } finally {
        releaseChunk({ frames: rest });
      }
      // Gaps, cuts and several people make other chunks than the length alone tells.
      const share = work.chunks / work.frames;
      const { inferenceSteps } = this.#settings.sampling;
      this.#clock.totalSteps = Math.round(share * Math.max(pictures, work.frames)) * inferenceSteps;
    }
  }

  /** @returns how many frames were written. */
  async #write(
    synced: AsyncIterable<SyncedFrame>,
    writer: VideoWriter,
    pictures: number,
  ): Promise<number> {
    const { info } = this.#parts;
    const { tracer, video, footage } = this.#settings;
    let frames = 0;
    for await (const item of prefetch(synced, info.framesPerChunk, releaseSynced)) {
      using frame = item.frame;
      const time = footage.framesPerSecond === "source" ? item.timeSeconds : undefined;
      try {
        this.#signal.throwIfAborted();
        const patches = await item.patches;
        const span = { track: "write", name: "write", details: { frame: frames } };
        await traced(tracer, span, () => writer.write(frame, patches, time));
      } catch (error) {
        // What is being made for later frames must not be waited for.
        this.#stop.abort(error);
        throw error;
      }
      frames += 1;
      this.#emit({ type: "frames", frames, totalFrames: Math.max(frames, pictures) });
    }
    if (this.#framesWithoutFace < frames) return frames;
    throw new LatentSyncError(
      "no_face",
      `None of the ${frames} frames of ${video} shows a usable face.`,
      {
        hint: "Use a video that shows a face, or give the points with --landmarks.",
      },
    );
  }
}

/** The mouth that each face gets. */
function mouthsOf(
  chunks: readonly FaceChunk[],
  generated: GeneratedFaces,
): ReadonlyMap<PreparedFace, Float32Array> {
  const mouths = new Map<PreparedFace, Float32Array>();
  for (const chunk of chunks) {
    const faces = generated.get(chunk) ?? [];
    for (const [face, position] of chunk.shown) {
      const mouth = faces[position];
      if (mouth !== undefined) mouths.set(face, mouth);
    }
  }
  return mouths;
}
