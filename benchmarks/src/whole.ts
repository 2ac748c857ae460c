import { join } from "node:path";
import { createSpeechEncoder } from "@ls/audio";
import { LatentSync, resolveSampling } from "@ls/core";
import {
  createFaceAligner,
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createMediaPipeDetector,
} from "@ls/video";
import { FRAMES_PER_SECOND, writeClip } from "./clip.ts";
import { countedRuntime } from "./counted-runtime.ts";
import type { Benchmark, BenchmarkFactory } from "./measure.ts";
import type { StageOptions } from "./stages.ts";
import { inTemporaryFolder } from "./temporary-folder.ts";

export interface WholeOptions extends StageOptions {
  /** Length of the clip. */
  readonly seconds: number;
}

/** The whole pipeline, from two files to a file. Networks are open already. */
export function wholeBenchmark(options: WholeOptions): BenchmarkFactory {
  return {
    name: "whole",
    async create(signal) {
      const { runtime, takeMultiplyAdds } = countedRuntime(options.runtime);
      const opened = await createWhole({ ...options, runtime }, signal);
      return Object.assign(opened, { takeMultiplyAdds });
    },
  };
}

async function createWhole(options: WholeOptions, signal: AbortSignal): Promise<Benchmark> {
  const { model, runtime, precision, seconds, sampling = {} } = options;
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
      for await (const event of engine.run({ ...sampling, video, audio, output, signal })) {
        if (event.type === "done") frames = event.result.frames;
      }
      return frames;
    };
    // Opens the networks, and tells how many frames a run makes.
    const itemsPerRun = await run();
    return {
      name: `whole, ${resolveSampling(sampling).inferenceSteps} steps`,
      unit: "1080p frames",
      itemsPerRun,
      videoSeconds: itemsPerRun / FRAMES_PER_SECOND,
      run,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}
