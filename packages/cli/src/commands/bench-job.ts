/** The user's own files as a benchmark: one job, from two files to a file, on an engine that is loaded. */
import { join } from "node:path";
import { type BenchmarkFactory, inTemporaryFolder } from "@ls/benchmarks";
import { load } from "../load.ts";
import type { Side } from "./bench-settings.ts";
import type { BenchStagesOptions } from "./bench-stages.ts";

/** Runs of a server or a batch: the first, which also compiles graphs, is the warm-up. */
export function jobBenchmark(
  { model, video = "", audio = "", landmarks }: BenchStagesOptions,
  { settings: { runtime, threads, devices }, precision, sampling }: Side,
): BenchmarkFactory {
  return {
    name: "job",
    create: (signal) =>
      inTemporaryFolder(async (folder, resources) => {
        const engine = resources.use(
          await load({ model, runtime, precision, threads, devices, landmarks, signal }),
        );
        let take = 0;
        return {
          ...{ name: "job", unit: "runs", itemsPerRun: 1 },
          async run() {
            const output = join(folder, `${take++}.mp4`);
            for await (const _ of engine.run({ ...sampling, video, audio, output, signal }));
          },
          [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
        };
      }),
  };
}
