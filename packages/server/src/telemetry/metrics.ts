/** Prometheus metrics of a server, in a registry of their own. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { JobQueue } from "../jobs/job-queue.ts";
import { createGpuMemoryReader, type GpuMemoryReader } from "./gpu-memory.ts";

export interface MetricsOptions {
  /** Asked for its counts whenever the metrics are read. */
  readonly queue: Pick<JobQueue, "counts">;
  /** Default: `nvidia-smi`. */
  readonly gpuMemory?: GpuMemoryReader;
  /** How long a reading waits for the queue. Default 1000. */
  readonly queueTimeoutMs?: number;
  /** CPU, memory, event loop and garbage collection of the process. Default true. */
  readonly processMetrics?: boolean;
}

/** What is counted and measured. Names end in their unit. */
export interface Metrics {
  /** Jobs that ended, and those that were handed back to wait. */
  readonly jobs: Counter<"result" | "code">;
  readonly jobWaitSeconds: Histogram;
  readonly jobSeconds: Histogram<"result">;
  readonly stageSeconds: Histogram<"stage">;
  readonly framesPerSecond: Gauge;
  readonly frames: Counter;
  readonly framesWithoutFace: Counter;
  readonly workerStarts: Counter;
  readonly workerCrashes: Counter;
  readonly workerResidentBytes: Gauge<"worker">;
  readonly leasesLost: Counter;
  readonly latencyBudgetBreaches: Counter;
  readonly costDollars: Counter;
  readonly httpSeconds: Histogram<"method" | "route" | "status">;
  /** The text that a Prometheus server reads. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

const JOB_BUCKETS = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600, 7200];
const STAGE_BUCKETS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600];
const HTTP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  const refreshes = [
    addQueueGauges(registry, options.queue, options.queueTimeoutMs ?? 1000),
    addGpuGauges(registry, options.gpuMemory ?? createGpuMemoryReader()),
  ];
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  return {
    jobs: new Counter({
      name: "latentsync_jobs_total",
      help: "Attempts at jobs that ended: completed, failed with a code, or handed back.",
      labelNames: ["result", "code"],
      registers,
    }),
    jobWaitSeconds: new Histogram({
      name: "latentsync_job_wait_seconds",
      help: "From the creation of a job to its first start.",
      buckets: JOB_BUCKETS,
      registers,
    }),
    jobSeconds: new Histogram({
      name: "latentsync_job_seconds",
      help: "From the creation of a job to its end.",
      labelNames: ["result"],
      buckets: JOB_BUCKETS,
      registers,
    }),
    stageSeconds: new Histogram({
      name: "latentsync_job_stage_seconds",
      help: "Time in a stage of a completed job.",
      labelNames: ["stage"],
      buckets: STAGE_BUCKETS,
      registers,
    }),
    framesPerSecond: new Gauge({
      name: "latentsync_frames_per_second",
      help: "Frames of the last completed job for each second of its work.",
      registers,
    }),
    frames: counter("latentsync_frames_total", "Frames written by completed jobs."),
    framesWithoutFace: counter(
      "latentsync_frames_without_face_total",
      "Frames of completed jobs that passed unchanged for want of a face.",
    ),
    workerStarts: counter("latentsync_worker_starts_total", "Worker processes started."),
    workerCrashes: counter("latentsync_worker_crashes_total", "Worker processes that died."),
    workerResidentBytes: new Gauge({
      name: "latentsync_worker_resident_memory_bytes",
      help: "Memory of each worker process.",
      labelNames: ["worker"],
      registers,
    }),
    leasesLost: counter("latentsync_leases_lost_total", "Leases lost while a job ran."),
    latencyBudgetBreaches: counter(
      "latentsync_latency_budget_breaches_total",
      "Completed jobs that took longer than their latency budget.",
    ),
    costDollars: counter("latentsync_cost_dollars_total", "US dollars that attempts have cost."),
    httpSeconds: new Histogram({
      name: "latentsync_http_request_seconds",
      help: "From a request to the head of its answer.",
      labelNames: ["method", "route", "status"],
      buckets: HTTP_BUCKETS,
      registers,
    }),
    async render() {
      await Promise.all(refreshes.map((refresh) => refresh()));
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** Sets gauges to what is so now. */
type Refresh = () => Promise<void>;

/** Jobs by status. Missing, with `latentsync_queue_up 0`, while the queue does not answer. */
function addQueueGauges(
  registry: Registry,
  queue: Pick<JobQueue, "counts">,
  timeoutMs: number,
): Refresh {
  const registers = [registry];
  const up = new Gauge({
    name: "latentsync_queue_up",
    help: "Whether the queue answered this reading.",
    registers,
  });
  const jobs = new Gauge({
    name: "latentsync_queue_jobs",
    help: "Jobs in the queue by status; dead letters are also among the failed.",
    labelNames: ["status"],
    registers,
  });
  return async () => {
    const counts = await within(timeoutMs, () => queue.counts());
    up.set(counts ? 1 : 0);
    jobs.reset();
    for (const [status, count] of Object.entries(counts ?? {})) {
      jobs.set({ status: status === "deadLetter" ? "dead_letter" : status }, count);
    }
  };
}

function addGpuGauges(registry: Registry, gpuMemory: GpuMemoryReader): Refresh {
  const shape = { labelNames: ["gpu"], registers: [registry] };
  const used = new Gauge({
    name: "latentsync_gpu_memory_used_bytes",
    help: "Memory in use on each GPU, by all processes.",
    ...shape,
  });
  const total = new Gauge({
    name: "latentsync_gpu_memory_total_bytes",
    help: "Memory of each GPU.",
    ...shape,
  });
  return async () => {
    const gpus = await gpuMemory();
    used.reset();
    total.reset();
    for (const { gpu, usedBytes, totalBytes } of gpus) {
      used.set({ gpu }, usedBytes);
      total.set({ gpu }, totalBytes);
    }
  };
}

/** What `ask` resolves to, or `undefined` if it fails or takes too long. */
async function within<T>(timeoutMs: number, ask: () => Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, timeoutMs, undefined);
  try {
    return await Promise.race([ask(), promise]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
