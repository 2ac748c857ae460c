/** Runs the product's pipeline on a clip at some settings, and compares what came of it. */
import { join } from "node:path";
import type { SamplingOptions, VideoFrame, VideoReader } from "@ls/core";
import { difference, type MouthRuler, pearson, psnr, ssim } from "@ls/testing";
import { createFfmpegVideoSource } from "@ls/video";
import type { LoadedEngine } from "latentsync-ts";
import type { CountingRuntime, UNetForwards } from "./counting-runtime.ts";
import type { TestClip } from "./test-clip.ts";

const SEED = 1247;
const HIGHEST_PSNR_DB = 100;

/** What was made of a clip. */
export interface Output {
  readonly path: string;
  /** Of every chunk, as they are decoded. */
  readonly latents: readonly Float32Array[];
  readonly forwards: UNetForwards;
  readonly seconds: number;
}

export interface Bench {
  readonly engine: LoadedEngine;
  readonly counter: CountingRuntime;
  readonly ruler: MouthRuler;
  readonly folder: string;
}

export interface Figures {
  /** Correlation of the opening of the mouth with that which the new speech was drawn from. */
  readonly newSpeech: number;
  /** Of the region of the mouth, against the true render and against the exact output. */
  readonly psnrToTruthDb: number;
  readonly psnrToExactDb: number;
  readonly ssimToExact: number;
  readonly latentCosine: number;
}

export async function makeOutput(
  { engine, counter, folder }: Bench,
  clip: TestClip,
  settings: SamplingOptions,
  name: string,
): Promise<Output> {
  const path = join(folder, `${clip.index}-${name.replaceAll(/[^a-z0-9]+/gi, "-")}.mkv`);
  const latents: Float32Array[] = [];
  counter.take();
  const run = engine.run({
    video: clip.videoPath,
    audio: clip.audioPath,
    output: path,
    seed: SEED,
    ...settings,
    onLatents: (step) => {
      latents[step.chunk] = step.latents;
    },
  });
  for await (const event of run) if (event.type === "done") break;
  return { path, latents, ...counter.take() };
}

export async function compareOutput(
  ruler: MouthRuler,
  clip: TestClip,
  output: Output,
  exact: Output,
): Promise<Figures> {
  const source = createFfmpegVideoSource();
  await using made = await source.open(output.path);
  await using truth = await source.open(clip.truthPath);
  await using best = await source.open(exact.path);
  const openings: (number | undefined)[] = [];
  const [toTruth, toExact] = [new MeanError(), new MeanError()];
  let similarity = 0;
  for await (const [frame, trueFrame, exactFrame] of together(made, truth, best)) {
    const region = clip.mouths[openings.length];
    if (region === undefined) break;
    openings.push((await ruler.measure(await frame.toRgb(), openings.length))?.opening);
    const mouth = await frame.toRgb(region);
    const exactMouth = await exactFrame.toRgb(region);
    toTruth.add(psnr(mouth.data, (await trueFrame.toRgb(region)).data));
    toExact.add(psnr(mouth.data, exactMouth.data));
    similarity += ssim(mouth, exactMouth) ?? Number.NaN;
  }
  return {
    newSpeech: pearson(openings, clip.newOpenings) ?? Number.NaN,
    psnrToTruthDb: toTruth.psnrDb,
    psnrToExactDb: toExact.psnrDb,
    ssimToExact: similarity / openings.length,
    latentCosine: difference(joined(output.latents), joined(exact.latents)).cosine,
  };
}

/** The ratio of the mean squared error over all frames. */
class MeanError {
  #sum = 0;
  #count = 0;

  add(psnrDb: number): void {
    this.#sum += 10 ** (-psnrDb / 10);
    this.#count += 1;
  }

  get psnrDb(): number {
    return Math.min(HIGHEST_PSNR_DB, -10 * Math.log10(this.#sum / this.#count));
  }
}

/** Frames side by side until one of the videos ends, disposed when the next are asked for. */
async function* together(
  ...videos: readonly [VideoReader, VideoReader, VideoReader]
): AsyncGenerator<readonly [VideoFrame, VideoFrame, VideoFrame]> {
  const [first, second, third] = videos.map((video) => video.frames()[Symbol.asyncIterator]());
  if (first === undefined || second === undefined || third === undefined) return;
  try {
    for (;;) {
      const [a, b, c] = [await first.next(), await second.next(), await third.next()];
      if (a.done === true || b.done === true || c.done === true) return;
      using frame = a.value;
      using other = b.value;
      using last = c.value;
      yield [frame, other, last];
    }
  } finally {
    for (const frames of [first, second, third]) await frames.return?.();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
