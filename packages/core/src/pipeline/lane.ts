/** One device with the model on it: what a batch of chunks goes through there. */
import { ChunkEncoder } from "../diffusion/chunk-encoder.ts";
import { type ChunkConditioning, swapFramesAndChannels } from "../diffusion/chunk.ts";
import { denoise } from "../diffusion/denoise.ts";
import type { Guidance } from "../diffusion/guidance.ts";
import type { NoisePredictor } from "../diffusion/noise-predictor.ts";
import type { Vae } from "../diffusion/vae.ts";
import type { ModelInfo } from "../model.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import type { SegmentStore } from "../segments.ts";
import type { Tracer } from "../trace.ts";
import type { BareEvent } from "./events.ts";
import type { FaceChunk } from "./face-chunks.ts";
import { traced } from "./tracing.ts";

/** Latents after a step, for tests and for people who look inside. */
export interface ChunkLatents {
  readonly chunk: number;
  /** From 0. */
  readonly step: number;
  /** `[4, F, h, h]` float32, scaled. */
  readonly latents: Float32Array;
}

/** What the lanes of a run have in common. */
export interface LaneSettings {
  readonly info: ModelInfo;
  readonly scheduler: Scheduler;
  readonly guidance: Guidance;
  /** `[4, h, h]`: the noise that every frame of every chunk starts from. */
  readonly noise: Float32Array;
  /** `[R, R]` float32, 1 = keep. */
  readonly mask: Float32Array;
  /** Chunks of the whole run, if every frame has a face. */
  readonly chunks: number;
  readonly segments: SegmentStore | undefined;
  readonly onLatents: ((latents: ChunkLatents) => void) | undefined;
  readonly emit: (event: BareEvent) => void;
  readonly tracer: Tracer | undefined;
}

/** The networks that a lane runs, on its device. */
export interface LaneModel {
  readonly vae: Vae;
  readonly predictor: NoisePredictor;
}

export class Lane {
  readonly #name: string;
  readonly #model: LaneModel;
  readonly #settings: LaneSettings;
  readonly #encoder: ChunkEncoder;

  /** @param name of the device, in traces. */
  constructor(name: string, model: LaneModel, settings: LaneSettings) {
    this.#name = name;
    this.#model = model;
    this.#settings = settings;
    const { info, mask } = settings;
    this.#encoder = new ChunkEncoder({ vae: model.vae, info, mask });
  }

  /**
   * Makes the faces of chunks that have equally many, or of one chunk. May be called for several
   * batches at a time: while one of them is prepared for its next network, the device runs another's.
   * @returns for each chunk the faces as the VAE decodes them, `[3, R, R]` float32 each.
   */
  async generate(batch: readonly FaceChunk[], signal: AbortSignal): Promise<Float32Array[][]> {
    const kept = batch.flatMap((chunk) => chunk.kept ?? []);
    const latents = kept.length === batch.length ? kept : await this.#denoise(batch, signal);
    const faces: Float32Array[][] = [];
    for (const [position, chunk] of batch.entries()) {
      if (chunk.kept !== undefined) this.#reportKept(chunk);
      faces.push(await this.#decode(chunk, latents[position] as Float32Array, signal));
    }
    return faces;
  }

  #reportKept({ index: chunk }: FaceChunk): void {
    const { chunks, emit, scheduler } = this.#settings;
    const steps = scheduler.timesteps.length;
    emit({ type: "chunk", chunk, chunks, restored: true });
    emit({ type: "step", chunk, chunks, step: steps, steps, restored: true });
  }

  /** Denoises chunks together and keeps the results. @returns `[4, F, h, h]` each. */
  async #denoise(batch: readonly FaceChunk[], signal: AbortSignal): Promise<Float32Array[]> {
    const { chunks, emit, onLatents, segments, scheduler } = this.#settings;
    const conditioning: ChunkConditioning[] = [];
    for (const chunk of batch) {
      emit({ type: "chunk", chunk: chunk.index, chunks });
      conditioning.push(await this.#encode(chunk, signal));
    }
    const steps = scheduler.timesteps.length;
    const audio = concatenate(batch.flatMap(({ frames }) => frames.map(({ speech }) => speech)));
    const sampling = denoise({
      ...this.#settings,
      ...this.#model,
      conditioning,
      audio,
      signal,
    })[Symbol.asyncIterator]();
    let latents: Float32Array[] = [];
    for (let step = 0; step < steps; step++) {
      const taken = await this.#traced("step", batch, { step: step + 1 }, () => sampling.next());
      if (taken.done === true) break;
      latents = taken.value;
      for (const [position, { index: chunk }] of batch.entries()) {
        onLatents?.({ chunk, step, latents: latents[position] as Float32Array });
        emit({ type: "step", chunk, chunks, step: step + 1, steps });
      }
    }
    for (const [position, { index }] of batch.entries()) {
      await segments?.write(index, latents[position] as Float32Array, { signal });
    }
    return latents;
  }

  #encode(chunk: FaceChunk, signal: AbortSignal): Promise<ChunkConditioning> {
    const faces = chunk.frames.map(({ index, face: { matrix, pixels } }) => ({
      identity: `${index} ${matrix.join(" ")}`,
      pixels,
    }));
    return this.#traced("encode", [chunk], {}, () =>
      this.#encoder.encode(faces, chunk.noise, signal),
    );
  }

  #decode(chunk: FaceChunk, latents: Float32Array, signal: AbortSignal): Promise<Float32Array[]> {
    const { latentChannels } = this.#settings.info;
    const frames = chunk.frames.length;
    return this.#traced("decode", [chunk], {}, async () => {
      const perFrame = swapFramesAndChannels(latents, latentChannels, frames);
      const decoded = await this.#model.vae.decode(perFrame, frames, signal);
      const size = decoded.length / frames;
      return Array.from({ length: frames }, (_, frame) =>
        decoded.subarray(frame * size, (frame + 1) * size),
      );
    });
  }

  #traced<T>(
    name: string,
    batch: readonly FaceChunk[],
    details: Readonly<Record<string, number>>,
    work: () => Promise<T>,
  ): Promise<T> {
    const { tracer } = this.#settings;
    if (tracer === undefined) return work();
    const chunk = batch.map(({ index }) => index).join(", ");
    const track = `${this.#name} chunks`;
    return traced(tracer, { track, name, details: { chunk, ...details } }, work);
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const size = parts[0]?.length ?? 0;
  const whole = new Float32Array(size * parts.length);
  for (const [index, part] of parts.entries()) whole.set(part, index * size);
  return whole;
}
