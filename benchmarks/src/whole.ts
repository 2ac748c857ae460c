import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSpeechEncoder } from "@ls/audio";
import { LatentSync } from "@ls/core";
import {
  createFaceAligner,
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createMediaPipeDetector,
} from "@ls/video";
import { writeClip } from "./clip.ts";
import type { Benchmark, BenchmarkFactory } from "./measure.ts";
import type { StageOptions } from "./stages.ts";

/** The whole pipeline, from two files to a file. Networks are open already. */
export function wholeBenchmark(
  options: StageOptions & { readonly seconds: number; readonly inferenceSteps: number },
): BenchmarkFactory {
  return { name: "whole", create: (signal) => createWhole(options, signal) };
}

async function createWhole(
  options: Parameters<typeof wholeBenchmark>[0],
  signal: AbortSignal,
): Promise<Benchmark> {
  const { model, runtime, precision, seconds, inferenceSteps } = options;
  const folder = await mkdtemp(join(tmpdir(), "latentsync-benchmark-"));
  const { video, audio } = await writeClip(folder, seconds, signal);
  const { resolution, audioFeatureLength } = model.info;
  const detector = await createMediaPipeDetector({ signal });
  const aligner = createFaceAligner({ resolution });
  const engine = await LatentSync.load({
    model,
    runtime,
    precision,
    speech: createSpeechEncoder({ audioFeatureLength }),
    source: createFfmpegVideoSource(),
    sink: createFfmpegVideoSink({}),
    detector,
    aligner,
  });
  let take = 0;
  const run = async (): Promise<number> => {
    const output = join(folder, `${take++}.mp4`);
    let frames = 0;
    for await (const event of engine.run({ video, audio, output, inferenceSteps, signal })) {
      if (event.type === "done") frames = event.result.frames;
    }
    return frames;
  };
  const itemsPerRun = await run();
  return {
    name: `whole, ${inferenceSteps} steps`,
    unit: "1080p frames",
    itemsPerRun,
    run,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await aligner[Symbol.asyncDispose]();
      await detector[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
