/** One benchmark per stage of the pipeline, on inputs that are generated here. */
import { join } from "node:path";
import { logMelSpectrogram } from "@ls/audio";
import {
  type AlignedFace,
  ChunkDenoiser,
  cropImage,
  type FaceAligner,
  graphPrecision,
  type GraphKind,
  type LatentSyncModel,
  type Precision,
  Resources,
  type RgbImage,
  type Runtime,
  type SamplingOptions,
  type Tensor,
} from "@ls/core";
import {
  createFaceAligner,
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createMediaPipeDetector,
  writeVideo,
} from "@ls/video";
import {
  FRAMES_PER_SECOND,
  generateSpeech,
  PICTURE,
  picturePoints,
  renderPicture,
  stillClip,
  writeClip,
  writeSpeech,
} from "./clip.ts";
import { countedRuntime } from "./counted-runtime.ts";
import type { Benchmark, BenchmarkFactory } from "./measure.ts";
import {
  chunkInputs,
  decoderFeeds,
  encoderFeeds,
  type Feeds,
  ramp,
  unetFeeds,
} from "./network-feeds.ts";
import { inTemporaryFolder } from "./temporary-folder.ts";

export interface StageOptions {
  readonly model: LatentSyncModel;
  readonly runtime: Runtime;
  readonly precision: Precision;
  /** Frames of the UNet's step and of the denoised chunk; the model's chunk if not given. */
  readonly frames?: number | undefined;
  /** How the chunk of `denoise` and the whole run are sampled. Default: exactly. */
  readonly sampling?: SamplingOptions | undefined;
}

const WINDOW_SECONDS = 30;
const WINDOW_MEL_FRAMES = 3000;
const MELS = 80;
const FACES = 16;

/** What one run of a benchmark handles. */
interface Work {
  readonly unit: string;
  readonly items: number;
}

/** A benchmark of `run` that holds `resources`. */
function benchmark(
  name: StageName,
  { unit, items }: Work,
  run: () => Promise<unknown>,
  resources: AsyncDisposable = new Resources(),
): Benchmark {
  const dispose = (): PromiseLike<void> => resources[Symbol.asyncDispose]();
  return { name, unit, itemsPerRun: items, run, [Symbol.asyncDispose]: dispose };
}

type Create = (options: StageOptions, signal: AbortSignal) => Promise<Benchmark>;

/** All stages, in the order of the pipeline. */
export const stageNames = [
  "mel",
  "whisper",
  "decode",
  "detect",
  "crop",
  "vae-encode",
  "unet-step",
  "denoise",
  "vae-decode",
  "paste",
  "encode",
] as const;

export type StageName = (typeof stageNames)[number];

const STAGES: Readonly<Record<StageName, Create>> = {
  mel: createMel,
  whisper: createWhisper,
  decode: createDecode,
  detect: createDetect,
  crop: createCrop,
  "vae-encode": createVaeEncode,
  "unet-step": createUNetStep,
  denoise: createDenoise,
  "vae-decode": createVaeDecode,
  paste: createPaste,
  encode: createEncode,
};

/** A benchmark of every stage, in the order of the pipeline. */
export function stageBenchmarks(options: StageOptions): BenchmarkFactory[] {
  return stageNames.map((name) => ({
    name,
    async create(signal) {
      const { runtime, takeMultiplyAdds } = countedRuntime(options.runtime);
      const opened = await STAGES[name]({ ...options, runtime }, signal);
      return Object.assign(opened, { takeMultiplyAdds });
    },
  }));
}

async function createMel(): Promise<Benchmark> {
  const waveform = generateSpeech(WINDOW_SECONDS).samples;
  return benchmark("mel", { unit: "s of sound", items: WINDOW_SECONDS }, async () =>
    logMelSpectrogram(waveform),
  );
}

/** A benchmark of one network. */
async function networkBenchmark(
  name: StageName,
  kind: GraphKind,
  work: Work,
  feeds: Feeds,
  { model, runtime, precision }: StageOptions,
  signal: AbortSignal,
): Promise<Benchmark> {
  const { profile } = runtime.capabilities;
  const graph = await model.graph({
    kind,
    profile,
    precision: graphPrecision(precision),
    signal,
  });
  const session = await runtime.createSession(graph, { precision, signal });
  let last: Tensor | undefined;
  const run = async (): Promise<void> => {
    const outputs = await session.run(feeds, { signal });
    last = outputs[session.outputs[0]?.name ?? ""];
  };
  const opened = benchmark(name, work, run, session);
  const output = (): Float32Array | undefined =>
    last?.data instanceof Float32Array ? last.data : undefined;
  return Object.assign(opened, { output });
}

function createWhisper(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const feeds = { mel: ramp(1, MELS, WINDOW_MEL_FRAMES) };
  const work = { unit: "s of sound", items: WINDOW_SECONDS };
  return networkBenchmark("whisper", "whisper_encoder", work, feeds, options, signal);
}

function createVaeEncode(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const feeds = encoderFeeds(options.model.info);
  const work = { unit: "images", items: feeds.image.dims[0] as number };
  return networkBenchmark("vae-encode", "vae_encoder", work, feeds, options, signal);
}

function createVaeDecode(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const feeds = decoderFeeds(options.model.info);
  const work = { unit: "images", items: feeds.latents.dims[0] as number };
  return networkBenchmark("vae-decode", "vae_decoder", work, feeds, options, signal);
}

function framesOf({ frames, model }: StageOptions): number {
  return frames ?? model.info.framesPerChunk;
}

function createUNetStep(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const frames = framesOf(options);
  const feeds = unetFeeds(options.model.info, frames);
  const work = { unit: "frames with guidance", items: frames };
  return networkBenchmark("unet-step", "unet_guided", work, feeds, options, signal);
}

async function createDenoise(options: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const { model, runtime, precision, sampling } = options;
  const frames = framesOf(options);
  const chunk = { ...chunkInputs(model.info, frames), frames };
  const denoiser = await ChunkDenoiser.open({ ...sampling, model, runtime, precision, signal });
  let last: Float32Array | undefined;
  const run = async (): Promise<void> => {
    last = await denoiser.run(chunk, signal);
  };
  const opened = benchmark("denoise", { unit: "frames", items: frames }, run, denoiser);
  return Object.assign(opened, { output: () => last });
}

async function createDetect(_: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const image = await renderPicture();
  const detector = await createMediaPipeDetector({ signal });
  let frame = 0;
  const run = async (): Promise<void> => {
    for (let index = 0; index < FACES; index++) await detector.detect(image, frame++, { signal });
  };
  return benchmark("detect", { unit: "1080p frames", items: FACES }, run, detector);
}

/** Crops the face out of its picture. */
function cropper(picture: RgbImage, aligner: FaceAligner): () => Promise<AlignedFace> {
  const { width, height } = PICTURE;
  const matrix = aligner.createTransform().next(picturePoints());
  const region = aligner.region(matrix, width, height);
  // The aligner may take the pixels over, so each call gets its own.
  return () => aligner.align(cropImage(picture, region), matrix);
}

async function createCrop({ model }: StageOptions): Promise<Benchmark> {
  const picture = await renderPicture();
  const aligner = createFaceAligner({ resolution: model.info.resolution });
  const align = cropper(picture, aligner);
  const run = (): Promise<unknown> => Promise.all(Array.from({ length: FACES }, align));
  return benchmark("crop", { unit: "1080p frames", items: FACES }, run, aligner);
}

async function createPaste({ model }: StageOptions): Promise<Benchmark> {
  const picture = await renderPicture();
  const aligner = createFaceAligner({ resolution: model.info.resolution });
  const aligned = await cropper(picture, aligner)().catch(async (error: unknown) => {
    await aligner[Symbol.asyncDispose]();
    throw error;
  });
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
  return benchmark("paste", { unit: "1080p frames", items: FACES }, run, aligner);
}

async function createEncode(_: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  const source = await stillClip(FRAMES_PER_SECOND);
  return inTemporaryFolder(async (folder, resources) => {
    const sink = createFfmpegVideoSink();
    const audioPath = await writeSpeech(folder, 1);
    let take = 0;
    const run = (): Promise<void> =>
      writeVideo({ sink, source, audioPath, path: join(folder, `${take++}.mp4`), signal });
    return benchmark("encode", { unit: "1080p frames", items: FRAMES_PER_SECOND }, run, resources);
  });
}

async function createDecode(_: StageOptions, signal: AbortSignal): Promise<Benchmark> {
  return inTemporaryFolder(async (folder, resources) => {
    const { video } = await writeClip(folder, 1, signal);
    const run = async (): Promise<void> => {
      await using reader = await createFfmpegVideoSource().open(video, { signal });
      for await (const decoded of reader.frames({ signal })) {
        using frame = decoded;
        await frame.toRgb();
      }
    };
    return benchmark("decode", { unit: "1080p frames", items: FRAMES_PER_SECOND }, run, resources);
  });
}
