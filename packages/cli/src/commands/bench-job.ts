/** The user's own files as a benchmark: one job, from two files to a file, on an engine that is loaded. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchmarkFactory } from "@ls/benchmarks";
import { Resources } from "@ls/core";
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
    async create(signal) {
      const resources = new Resources();
      try {
        const folder = await mkdtemp(join(tmpdir(), "latentsync-job-"));
        resources.defer(() => rm(folder, { recursive: true, force: true }));
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
      } catch (error) {
        await resources[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}
