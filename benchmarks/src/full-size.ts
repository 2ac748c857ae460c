/**
 * What it takes to bring a full-size checkpoint to life: time and memory of writing it with random
 * weights, reading it, turning it into graphs, loading them, and one step of one frame.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  elementCount,
  float32,
  graphPrecision,
  type ModelInfo,
  type Precision,
  type Runtime,
  type Session,
  type Tensor,
} from "@ls/core";
import { openModel, openModelFolder, writeRandomModel } from "@ls/models";

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Resident memory at most while the phase ran, and when it began, in bytes. */
  readonly peakMemoryBytes: number;
  readonly startMemoryBytes: number;
}

export interface FullSizeOptions {
  readonly size: "256" | "512";
  readonly runtime: Runtime;
  readonly precision: Precision;
  readonly signal: AbortSignal;
  readonly onPhase?: (phase: Phase) => void;
}

const MEMORY_SAMPLE_MS = 50;

/** Runs the phases in a temporary folder that needs about 11 GB. */
export async function fullSizePhases(options: FullSizeOptions): Promise<Phase[]> {
  const { size, runtime, precision, signal, onPhase } = options;
  const folder = await mkdtemp(join(tmpdir(), "latentsync-full-size-"));
  const phases: Phase[] = [];
  const phase = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const { result, ...figures } = await observe(work);
    phases.push({ name, ...figures });
    onPhase?.({ name, ...figures });
    return result;
  };
  try {
    const modelFolder = join(folder, "model");
    const cacheFolder = join(folder, "cache");
    const { profile } = runtime.capabilities;
    await phase("write the checkpoint", () => writeRandomModel(modelFolder, { size, signal }));
    await phase("hash and read every tensor", () => readAll(modelFolder, cacheFolder, signal));
    await using model = await openModel(modelFolder, { cacheFolder, signal });
    const graph = await phase("turn into graphs", () =>
      model.graph({ kind: "unet", profile, precision: graphPrecision(precision), signal }),
    );
    await using session = await phase("load the UNet", () =>
      runtime.createSession(graph, { precision, signal }),
    );
    await phase("one step of one frame", () => oneStep(session, model.info));
    await phase("another step of one frame", () => oneStep(session, model.info));
    return phases;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readAll(folder: string, cacheFolder: string, signal: AbortSignal): Promise<void> {
  await using checkpoint = await openModelFolder(folder, { cacheFolder, signal });
  for (const source of [checkpoint.unet, checkpoint.vae, checkpoint.whisper]) {
    for (const name of source.entries.keys()) {
      signal.throwIfAborted();
      await source.readFloat32(name);
    }
  }
}

async function oneStep(session: Session, info: ModelInfo): Promise<void> {
  const size = info.resolution / info.vaeScaleFactor;
  await session.run({
    sample: constant(1, 3 * info.latentChannels + 1, 1, size, size),
    timestep: float32([1], Float32Array.of(500)),
    encoder_hidden_states: constant(1, info.audioTokens, info.crossAttentionWidth),
  });
}

function constant(...dims: readonly number[]): Tensor {
  return float32(dims, new Float32Array(elementCount(dims)).fill(0.1));
}

async function observe<T>(work: () => Promise<T>): Promise<Omit<Phase, "name"> & { result: T }> {
  const startMemoryBytes = process.memoryUsage.rss();
  let peakMemoryBytes = startMemoryBytes;
  const sampler = setInterval(() => {
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
  }, MEMORY_SAMPLE_MS);
  const start = performance.now();
  try {
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
    return { result, seconds, peakMemoryBytes, startMemoryBytes };
  } finally {
    clearInterval(sampler);
  }
}
