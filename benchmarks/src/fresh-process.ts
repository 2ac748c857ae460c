/** A whole run as a user has it: a program that is started, makes a video of two files, and ends. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { BenchmarkFactory } from "./measure.ts";
import { inTemporaryFolder } from "./temporary-folder.ts";

export interface FreshProcessOptions {
  readonly name: string;
  /** The program and its arguments for an output file. */
  readonly command: (output: string) => readonly [program: string, ...args: string[]];
}

/** Each run starts the program in a new folder; the time is from its start to its end. */
export function freshProcess({ name, command }: FreshProcessOptions): BenchmarkFactory {
  return {
    name,
    create: (signal) =>
      inTemporaryFolder(async (folder, resources) => {
        let take = 0;
        let last = { milliseconds: Number.NaN, cpuMilliseconds: Number.NaN };
        return {
          ...{ name, unit: "runs", itemsPerRun: 1 },
          async run() {
            const since = await childrenCpuMilliseconds();
            const start = performance.now();
            await runProgram(command(join(folder, `${take++}.mp4`)), folder, signal);
            const milliseconds = performance.now() - start;
            last = { milliseconds, cpuMilliseconds: (await childrenCpuMilliseconds()) - since };
          },
          ownTimes: () => last,
          [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
        };
      }),
  };
}

/** Of Linux's clock that processor time is told in. */
const TICKS_PER_SECOND = 100;
/** Places of cutime and cstime after the program's name, which may have spaces, in proc(5)'s stat. */
const CHILDREN_TIMES = [13, 14] as const;

/** Processor time of all child processes that have ended; NaN where the system does not tell. */
async function childrenCpuMilliseconds(): Promise<number> {
  const stat = await readFile("/proc/self/stat", "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = CHILDREN_TIMES.map((place) => Number(fields[place] ?? Number.NaN));
  return (ticks.reduce((sum, count) => sum + count, 0) * 1000) / TICKS_PER_SECOND;
}

const LAST_WORDS = 2000;

/** @throws LatentSyncError `runtime` with what the program said last. */
function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...{ cwd: folder, signal },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let lastWords = "";
    child.stderr.on("data", (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-LAST_WORDS);
    });
    child.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    child.on("close", (code) => {
      if (code === 0) resolve();
      else {
        const message = `${program} ended with code ${code}.\n${lastWords.trim()}`;
        reject(new LatentSyncError("runtime", message, { hint: "Run it by itself to find out." }));
      }
    });
  });
}
