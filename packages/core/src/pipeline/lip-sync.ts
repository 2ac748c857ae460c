/** One run: speech and video in, video out. Its stages overlap and hold a few chunks at a time. */
import {
  encodeChunk,
  keepSurroundings,
  normalizePixels,
  skipChunkNoise,
  swapFramesAndChannels,
} from "../diffusion/chunk.ts";
import { denoise } from "../diffusion/denoise.ts";
import type { NoisePredictor } from "../diffusion/noise-predictor.ts";
import { latentSizeOf, type Vae } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import type { AlignedFace, FaceAligner, FaceDetector } from "../face.ts";
import type { ImagePatch } from "../image.ts";
import type { ModelInfo } from "../model.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import { createDdimScheduler } from "../schedulers/ddim.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import type { SegmentStore } from "../segments.ts";
import type { SpeechEncoder } from "../speech.ts";
import type { VideoFrame, VideoReader, VideoSink, VideoSource } from "../video.ts";
import { groupIntoChunks } from "./chunks.ts";
import type { BareEvent, LipSyncResult } from "./events.ts";
import type { RelativePoint } from "./face-choice.ts";
import type { Networks } from "./networks.ts";
import { prefetch } from "./prefetch.ts";
import { prepareFrames, type PreparedFrame } from "./prepare.ts";
import type { ProgressClock } from "./progress-clock.ts";

/** What a run needs beside its request. */
export interface LipSyncParts {
  readonly info: ModelInfo;
  readonly networks: Networks;
  readonly aligner: FaceAligner;
  readonly speech: SpeechEncoder;
  readonly source: VideoSource;
  readonly sink: VideoSink;
  readonly detector: FaceDetector;
  readonly random: NormalGenerator;
}

/** A run's settings, complete and checked. */
export interface LipSyncSettings {
  readonly video: string;
  readonly audio: string;
  readonly output: string;
  readonly inferenceSteps: number;
  readonly guidanceScale: number;
  readonly deepCache: boolean;
  readonly requireFaces: boolean;
  readonly faceAt: RelativePoint | undefined;
  readonly segments: SegmentStore | undefined;
  readonly onLatents: ((latents: ChunkLatents) => void) | undefined;
}

/** Latents after a step, for tests and for people who look inside. */
export interface ChunkLatents {
  readonly chunk: number;
  /** From 0. */
  readonly step: number;
  /** `[4, F, h, h]` float32, scaled. */
  readonly latents: Float32Array;
}

/** The frames of a chunk that show a face. */
interface FaceChunk {
  /** From 0. */
  readonly index: number;
  readonly frames: readonly { readonly face: AlignedFace; readonly speech: Float32Array }[];
  /** `[F, 3, R, R]` float32 in [-1, 1]. */
  readonly pixels: Float32Array;
}

/** What turns noise into faces. */
interface DiffusionModel {
  readonly scheduler: Scheduler;
  readonly vae: Vae;
  readonly predictor: NoisePredictor;
}

/** A frame with its new face, if it has one. */
interface SyncedFrame {
  readonly frame: VideoFrame;
  readonly patch: Promise<ImagePatch | undefined>;
}

const releasePrepared = ({ frame }: PreparedFrame): void => frame[Symbol.dispose]();
const releaseChunk = (chunk: readonly PreparedFrame[]): void => chunk.forEach(releasePrepared);
const releaseSynced = (synced: SyncedFrame): void => synced.frame[Symbol.dispose]();

export class LipSyncRun {
  readonly #parts: LipSyncParts;
  readonly #settings: LipSyncSettings;
  readonly #emit: (event: BareEvent) => void;
  readonly #clock: ProgressClock;
  readonly #signal: AbortSignal;
  #chunks = 0;
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
    this.#signal = options.signal;
  }

  async execute(): Promise<LipSyncResult> {
    const { info, networks, source, sink, speech } = this.#parts;
    const { video, audio, output, inferenceSteps } = this.#settings;
    const signal = this.#signal;
    // First of all, so that wrong settings and unreadable inputs cost no loading time.
    const scheduler = createDdimScheduler(info.scheduler, inferenceSteps);
    await using reader = await source.open(video, { signal });
    this.#emit({ type: "stage", stage: "speech" });
    const whisper = await networks.session("whisper_encoder", signal);
    await using features = await speech.open(audio, whisper, { signal });
    await using writer = await sink.create({
      path: output,
      source: reader,
      audioPath: audio,
      signal,
    });

    const { frameCount } = features;
    this.#chunks = Math.ceil(frameCount / info.framesPerChunk);
    this.#clock.totalSteps = this.#chunks * inferenceSteps;
    this.#emit({ type: "stage", stage: "load" });
    const prepared = this.#prepare(reader, features.frames({ signal }), frameCount);
    // Opened while the first frames are being prepared.
    await using model = this.#openModel(scheduler);
    const synced = this.#synchronize(prepared, model.opened);
    let frames = 0;
    for await (const item of prefetch(synced, info.framesPerChunk, releaseSynced)) {
      using frame = item.frame;
      signal.throwIfAborted();
      await writer.write(frame, await item.patch);
      frames += 1;
      this.#emit({ type: "frames", frames, totalFrames: frameCount });
    }
    if (this.#framesWithoutFace === frames) {
      throw new LatentSyncError(
        "no_face",
        `None of the ${frames} frames of ${video} shows a usable face.`,
        {
          hint: "Use a video with a face of at least 50 x 80 pixels, or give the points with --landmarks.",
        },
      );
    }
    this.#emit({ type: "stage", stage: "finish" });
    await writer.finish();
    return {
      output,
      frames,
      framesWithoutFace: this.#framesWithoutFace,
      framesPerSecond: reader.info.framesPerSecond,
      elapsedSeconds: this.#clock.elapsedSeconds,
    };
  }

  /**
   * The networks belong to the engine; disposing this ends the opening of those that are not open
   * yet, so that the engine's next run never waits for an attempt that ends with this run's abort.
   */
  #openModel(scheduler: Scheduler): { opened: Promise<DiffusionModel> } & AsyncDisposable {
    const { networks } = this.#parts;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const open = async (): Promise<DiffusionModel> => {
      const vae = await networks.vae(signal);
      const predictor = await networks.noisePredictor(this.#settings.deepCache, signal);
      this.#emit({ type: "stage", stage: "frames" });
      return { scheduler, vae, predictor };
    };
    const opened = open();
    const settled = Promise.allSettled([opened]);
    return {
      opened,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await settled;
      },
    };
  }

  /** Chunks of prepared frames, one chunk ahead of the model. */
  #prepare(
    reader: VideoReader,
    speech: AsyncIterable<Float32Array>,
    frameCount: number,
  ): AsyncIterable<PreparedFrame[]> {
    const { info, detector, aligner } = this.#parts;
    const { requireFaces, faceAt } = this.#settings;
    const signal = this.#signal;
    const frames = prepareFrames({
      reader,
      detector,
      aligner,
      speech,
      frameCount,
      requireFaces,
      faceAt,
      signal,
    });
    return prefetch(groupIntoChunks(frames, info.framesPerChunk), 1, releaseChunk);
  }

  async *#synchronize(
    chunks: AsyncIterable<PreparedFrame[]>,
    opening: Promise<DiffusionModel>,
  ): AsyncGenerator<SyncedFrame> {
    const { info, random } = this.#parts;
    const noise = random.randn(info.latentChannels * latentSizeOf(info) ** 2);
    let index = 0;
    for await (const chunk of chunks) {
      const rest = [...chunk];
      try {
        const faces = chunk.flatMap(({ face, speech }) =>
          face === undefined ? [] : [{ face, speech }],
        );
        const generated =
          faces.length === 0 ? [] : await this.#generate(faces, noise, index, await opening);
        if (faces.length > 0) index += 1;
        this.#framesWithoutFace += chunk.length - faces.length;
        const patches = generated[Symbol.iterator]();
        while (rest.length > 0) {
          const { frame, face } = rest.shift() as PreparedFrame;
          const patch = this.#restore(face, face === undefined ? undefined : patches.next().value);
          yield { frame, patch };
        }
      } finally {
        releaseChunk(rest);
      }
    }
  }

  /** New faces of one chunk, each `[3, R, R]` float32. */
  async #generate(
    frames: FaceChunk["frames"],
    noise: Float32Array,
    index: number,
    model: DiffusionModel,
  ): Promise<Float32Array[]> {
    const { info, aligner } = this.#parts;
    const pixels = normalizePixels(frames.map(({ face }) => face.pixels));
    const chunk: FaceChunk = { index, frames, pixels };
    const latents = (await this.#recall(chunk)) ?? (await this.#denoise(chunk, noise, model));
    const perFrame = swapFramesAndChannels(latents, info.latentChannels, frames.length);
    const decoded = await model.vae.decode(perFrame, frames.length, this.#signal);
    const result = keepSurroundings(decoded, pixels, aligner.mask);
    const size = result.length / frames.length;
    return frames.map((_, frame) => result.slice(frame * size, (frame + 1) * size));
  }

  /** A chunk's latents that an earlier run has kept; the random numbers go on as after denoising. */
  async #recall({ index: chunk, frames }: FaceChunk): Promise<Float32Array | undefined> {
    const { info, random } = this.#parts;
    const { segments, inferenceSteps: steps } = this.#settings;
    const latents = await segments?.read(chunk, { signal: this.#signal });
    if (latents === undefined) return undefined;
    const expected = info.latentChannels * frames.length * latentSizeOf(info) ** 2;
    if (latents.length !== expected) {
      throw new LatentSyncError(
        "invalid_argument",
        `The segment store has ${latents.length} numbers for chunk ${chunk}, whose ${frames.length} faces need ${expected}: they are of another request.`,
        { hint: "Give each request a segment store of its own." },
      );
    }
    skipChunkNoise(frames.length, info, random);
    const chunks = this.#chunks;
    this.#emit({ type: "chunk", chunk, chunks, restored: true });
    this.#emit({ type: "step", chunk, chunks, step: steps, steps, restored: true });
    return latents;
  }

  /** Denoises a chunk and keeps the result. */
  async #denoise(
    { index: chunk, frames, pixels }: FaceChunk,
    noise: Float32Array,
    model: DiffusionModel,
  ): Promise<Float32Array> {
    const { info, random, aligner } = this.#parts;
    const { guidanceScale, inferenceSteps: steps, onLatents, segments } = this.#settings;
    const { vae } = model;
    const { mask } = aligner;
    const signal = this.#signal;
    const chunks = this.#chunks;
    this.#emit({ type: "chunk", chunk, chunks });
    const conditioning = await encodeChunk({
      frames: frames.length,
      pixels,
      mask,
      vae,
      random,
      info,
      signal,
    });
    const audio = concatenate(frames.map(({ speech }) => speech));
    const inputs = { ...model, conditioning, noise, audio, guidanceScale, info, signal };
    let latents: Float32Array = noise;
    let step = 0;
    for await (latents of denoise(inputs)) {
      onLatents?.({ chunk, step, latents });
      step += 1;
      this.#emit({ type: "step", chunk, chunks, step, steps });
    }
    await segments?.write(chunk, latents, { signal });
    return latents;
  }

  #restore(
    aligned: AlignedFace | undefined,
    generated: Float32Array | undefined,
  ): Promise<ImagePatch | undefined> {
    if (aligned === undefined || generated === undefined) return Promise.resolve(undefined);
    const patch = this.#parts.aligner.restore(generated, aligned, { signal: this.#signal });
    // Awaited when the frame's turn comes; until then nobody listens.
    patch.catch(() => undefined);
    return patch;
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const size = parts[0]?.length ?? 0;
  const whole = new Float32Array(size * parts.length);
  for (const [index, part] of parts.entries()) whole.set(part, index * size);
  return whole;
}
