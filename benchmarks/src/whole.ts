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
import { inTemporaryFolder } from "./temporary-folder.ts";

export interface WholeOptions extends StageOptions {
  /** Length of the clip. */
  readonly seconds: number;
  readonly inferenceSteps: number;
}

/** The whole pipeline, from two files to a file. Networks are open already. */
export function wholeBenchmark(options: WholeOptions): BenchmarkFactory {
  return { name: "whole", create: (signal) => createWhole(options, signal) };
}

async function createWhole(options: WholeOptions, signal: AbortSignal): Promise<Benchmark> {
  const { model, runtime, precision, seconds, inferenceSteps } = options;
  return inTemporaryFolder(async (folder, resources) => {
    const { video, audio } = await writeClip(folder, seconds, signal);
    const { resolution, audioFeatureLength } = model.info;
    const detector = resources.use(await createMediaPipeDetector({ signal }));
    const aligner = resources.use(createFaceAligner({ resolution }));
    const engine = resources.use(
      await LatentSync.load({
        model,
        runtime,
        precision,
        speech: createSpeechEncoder({ audioFeatureLength }),
        source: createFfmpegVideoSource(),
        sink: createFfmpegVideoSink(),
        detector,
        aligner,
      }),
    );
    let take = 0;
    const run = async (): Promise<number> => {
      const output = join(folder, `${take++}.mp4`);
      let frames = 0;
      for await (const event of engine.run({ video, audio, output, inferenceSteps, signal })) {
        if (event.type === "done") frames = event.result.frames;
      }
      return frames;
    };
    // Opens the networks, and tells how many frames a run makes.
    const itemsPerRun = await run();
    return {
      name: `whole, ${inferenceSteps} steps`,
      unit: "1080p frames",
      itemsPerRun,
      run,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}
