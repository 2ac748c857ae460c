/** The official pipeline from two files to a file, in a process that keeps its networks loaded. */
import { join } from "node:path";
import type { BenchmarkFactory } from "../measure.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { type OfficialAnswer, type OfficialOptions, OfficialProcess } from "./official-process.ts";

export interface OfficialJobOptions extends Omit<OfficialOptions, "signal" | "precision"> {
  /** What `official_pipeline.py` is told of a run, but for its output. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Is told of the process that was started. */
  readonly onOpen?: (process: OfficialProcess) => void;
}

/** Each run is one call of the pipeline; the first, in which it is put together, is the warm-up. */
export function officialJob({
  settings,
  onOpen,
  ...options
}: OfficialJobOptions): BenchmarkFactory {
  return {
    name: "official job",
    create: (signal) =>
      inTemporaryFolder(async (folder, resources) => {
        const process = resources.use(
          await OfficialProcess.open({ ...options, precision: "float32", signal }),
        );
        onOpen?.(process);
        let take = 0;
        let last: OfficialAnswer | undefined;
        return {
          ...{ name: "official job", unit: "runs", itemsPerRun: 1 },
          async run() {
            const output = join(folder, `${take++}.mp4`);
            last = await process.run("pipeline", {}, { ...settings, folder, output });
          },
          ownTimes: () => last ?? { milliseconds: Number.NaN, cpuMilliseconds: Number.NaN },
          [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
        };
      }),
  };
}
