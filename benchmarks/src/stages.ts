/** One benchmark per stage of the pipeline, on inputs that are drawn and synthesised here. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logMelSpectrogram, synthesizeVoice } from "@ls/audio";
import {
  type AlignedFace,
  cropImage,
  type FaceAligner,
  float32,
  type GraphKind,
  type ImagePatch,
  type LatentSyncModel,
  type Precision,
  type Runtime,
  type Session,
  type Tensor,
} from "@ls/core";
import {
  createFaceAligner,
  createFfmpegVideoSource,
  createMediaPipeDetector,
  drawnFacePoints,
  renderFace,
} from "@ls/video";
import {
  encodeClip,
  FRAMES_PER_SECOND,
  PICTURE,
  stillClip,
  writeClip,
  writeVoice,
} from "./clip.ts";
import type { Benchmark, BenchmarkFactory } from "./measure.ts";

export interface StageOptions {
  readonly model: LatentSyncModel;
  readonly runtime: Runtime;
  readonly precision: Precision;
  /** Frames of the UNet's step; the model's chunk if not given. */
  readonly frames?: number | undefined;
}

const WINDOW_SECONDS = 30;
const WINDOW_MEL_FRAMES = 3000;
const MELS = 80;
const FACES = 16;
const IMAGES = 4;

type Release = () => PromiseLike<void>;

/** A benchmark of `run`, with what to release afterwards in order. */
function benchmark(
  name: string,
  work: { readonly unit: string; readonly items: number },
  run: () => Promise<unknown>,
  ...release: readonly Release[]
): Benchmark {
  return {
    name,
    unit: work.unit,
    itemsPerRun: work.items,
    run,
    async [Symbol.asyncDispose]() {
      for (const step of release) await step();
    },
  };
}

const disposer =
  (resource: AsyncDisposable): Release =>
  () =>
    resource[Symbol.asyncDispose]();

/** All stages, in the order of the pipeline. */
export function stageBenchmarks(options: StageOptions): BenchmarkFactory[] {
  return [
    { name: "mel", create: createMel },
    { name: "whisper", create: (signal) => createWhisper(options, signal) },
    { name: "decode", create: createDecode },
    { name: "detect", create: createDetect },
    { name: "crop", create: () => createCrop(options.model.info.resolution) },
    { name: "vae-encode", create: (signal) => createVaeEncode(options, signal) },
    { name: "unet-step", create: (signal) => createUNetStep(options, signal) },
    { name: "vae-decode", create: (signal) => createVaeDecode(options, signal) },
    { name: "paste", create: () => createPaste(options.model.info.resolution) },
    { name: "encode", create: createEncode },
  ];
}

async function createMel(): Promise<Benchmark> {
  const waveform = synthesizeVoice({ seconds: WINDOW_SECONDS, seed: 1 });
  return benchmark("mel", { unit: "s of sound", items: WINDOW_SECONDS }, async () =>
    logMelSpectrogram(waveform),
  );
}

/** A benchmark of one network on feeds of zeros but for a ramp, which no kernel can shortcut. */
async function networkBenchmark(
  name: string,
  kind: GraphKind,
  work: { readonly unit: string; readonly items: number },
  feeds: Readonly<Record<string, Tensor>>,
  { model, runtime, precision }: StageOptions,
  signal: AbortSignal,
): Promise<Benchmark> {
  const { profile } = runtime.capabilities;
  const graph = await model.graph({ kind, profile, precision, signal });
  const session: Session = await runtime.createSession(graph, { signal });
  return benchmark(name, work, () => session.run(feeds, { signal }), disposer(session));
}

function ramp(...dims: readonly number[]): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return float32(
    dims,
    Float32Array.from({ length: count }, (_, index) => Math.sin(index)),
  );
}

function createWhisper(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const feeds = { mel: ramp(1, MELS, WINDOW_MEL_FRAMES) };
  const work = { unit: "s of sound", items: WINDOW_SECONDS };
  return networkBenchmark("whisper", "whisper_encoder", work, feeds, options, signal);
}

function createVaeEncode(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const { resolution } = options.model.info;
  const feeds = { image: ramp(IMAGES, 3, resolution, resolution) };
  const work = { unit: "images", items: IMAGES };
  return networkBenchmark("vae-encode", "vae_encoder", work, feeds, options, signal);
}

function createVaeDecode(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const { resolution, latentChannels, vaeScaleFactor } = options.model.info;
  const size = resolution / vaeScaleFactor;
  const feeds = { latents: ramp(IMAGES, latentChannels, size, size) };
  const work = { unit: "images", items: IMAGES };
  return networkBenchmark("vae-decode", "vae_decoder", work, feeds, options, signal);
}

function createUNetStep(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const { info } = options.model;
  const frames = options.frames ?? info.framesPerChunk;
  const size = info.resolution / info.vaeScaleFactor;
  const feeds = {
    sample: ramp(2, 3 * info.latentChannels + 1, frames, size, size),
    timestep: float32([1], Float32Array.of(500)),
    encoder_hidden_states: ramp(2 * frames, info.audioTokens, info.crossAttentionWidth),
  };
  const work = { unit: "frames with guidance", items: frames };
  return networkBenchmark("unet-step", "unet", work, feeds, options, signal);
}

async function createDetect(signal: AbortSignal): Promise<Benchmark> {
  const detector = await createMediaPipeDetector({ signal });
  const image = await renderFace(PICTURE);
  let frame = 0;
  const run = async (): Promise<void> => {
    for (let index = 0; index < FACES; index++) await detector.detect(image, frame++, { signal });
  };
  return benchmark("detect", { unit: "1080p frames", items: FACES }, run, disposer(detector));
}

interface AlignmentFixture {
  readonly aligner: FaceAligner;
  readonly background: ImagePatch;
  readonly align: () => Promise<AlignedFace>;
}

async function alignmentFixture(resolution: number): Promise<AlignmentFixture> {
  const { width, height } = PICTURE;
  const aligner = createFaceAligner({ resolution });
  const matrix = aligner.createTransform().next(drawnFacePoints(PICTURE));
  const region = aligner.region(matrix, width, height);
  const picture = await renderFace(PICTURE);
  const background = cropImage(picture, region);
  // The aligner may take the pixels over, so each call gets its own.
  const copy = (): ImagePatch => ({ ...background, data: background.data.slice() });
  return { aligner, background, align: () => aligner.align(copy(), matrix) };
}

async function createCrop(resolution: number): Promise<Benchmark> {
  const { aligner, align } = await alignmentFixture(resolution);
  const run = (): Promise<unknown> => Promise.all(Array.from({ length: FACES }, align));
  return benchmark("crop", { unit: "1080p frames", items: FACES }, run, disposer(aligner));
}

async function createPaste(resolution: number): Promise<Benchmark> {
  const { aligner, align } = await alignmentFixture(resolution);
  const aligned = await align();
  const face = Float32Array.from(aligned.pixels, (value) => value / 127.5 - 1);
  // Every frame has a matrix of its own in a video, so that nothing of a former paste is reused.
  let turn = 0;
  const restore = (): Promise<unknown> => {
    const [a, b, tx, c, d, ty] = aligned.matrix;
    const matrix = [a, b, tx + 1e-4 * turn++, c, d, ty] as const;
    const background = { ...aligned.background, data: aligned.background.data.slice() };
    return aligner.restore(face.slice(), { ...aligned, matrix, background });
  };
  const run = (): Promise<unknown> => Promise.all(Array.from({ length: FACES }, restore));
  return benchmark("paste", { unit: "1080p frames", items: FACES }, run, disposer(aligner));
}

async function temporaryFolder(): Promise<{ readonly folder: string; readonly release: Release }> {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-benchmark-"));
  return { folder, release: () => rm(folder, { recursive: true, force: true }) };
}

async function createEncode(signal: AbortSignal): Promise<Benchmark> {
  const { folder, release } = await temporaryFolder();
  const source = await stillClip(FRAMES_PER_SECOND);
  const voice = await writeVoice(folder, 1);
  let take = 0;
  const run = (): Promise<void> => encodeClip(source, voice, join(folder, `${take++}.mp4`), signal);
  return benchmark("encode", { unit: "1080p frames", items: FRAMES_PER_SECOND }, run, release);
}

async function createDecode(signal: AbortSignal): Promise<Benchmark> {
  const { folder, release } = await temporaryFolder();
  const { video } = await writeClip(folder, 1, signal);
  const run = async (): Promise<void> => {
    await using reader = await createFfmpegVideoSource().open(video, { signal });
    for await (const decoded of reader.frames({ signal })) {
      using frame = decoded;
      await frame.toRgb();
    }
  };
  return benchmark("decode", { unit: "1080p frames", items: FRAMES_PER_SECOND }, run, release);
}
