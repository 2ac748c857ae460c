/**
 * Charts for GPU container hosts that read them from standard output: a line
 * `{"chart":"<id>","y":<number>,"x":<number>}` for each point.
 */

import { setTimeout } from "node:timers/promises";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { GpuMemoryReader } from "./gpu-memory.ts";

export type ChartId =
  | "queue_depth"
  | "frames_per_second"
  | "job_seconds"
  | "gpu_memory_gib"
  | "cost_dollars";

export interface ChartLines {
  /** Adds a point at the present second. What is not a finite number is left out. */
  point(chart: ChartId, y: number): void;
}

export interface ChartLinesOptions {
  /** Takes whole lines; the same object that the logger writes to, so that none is torn. */
  readonly destination: { write(line: string): unknown };
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** x is the time in whole seconds since 1970, which goes on rising when the container is restarted. */
export function createChartLines(options: ChartLinesOptions): ChartLines {
  const now = options.now ?? Date.now;
  return {
    point(chart, y) {
      if (!Number.isFinite(y)) return;
      const x = Math.floor(now() / 1000);
      options.destination.write(`${JSON.stringify({ chart, y, x })}\n`);
    },
  };
}

/** Draws what is a state rather than an event: the depth of the queue and the GPU's memory. */
export async function sampleCharts(options: {
  readonly charts: ChartLines;
  readonly queue: Pick<JobQueue, "counts">;
  readonly gpuMemory: GpuMemoryReader;
  /** Default 10,000. */
  readonly intervalMs?: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}): Promise<void> {
  const { charts, gpuMemory, queue, signal } = options;
  while (!signal.aborted) {
    const [counts, gpus] = await Promise.allSettled([queue.counts(), gpuMemory()]);
    if (counts.status === "fulfilled") charts.point("queue_depth", counts.value.queued);
    if (gpus.status === "fulfilled" && gpus.value.length > 0) {
      const usedBytes = gpus.value.reduce((sum, gpu) => sum + gpu.usedBytes, 0);
      charts.point("gpu_memory_gib", usedBytes / 2 ** 30);
    }
    await setTimeout(options.intervalMs ?? 10_000, undefined, { ref: false, signal }).catch(
      () => {},
    );
  }
}
