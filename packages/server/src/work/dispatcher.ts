/** Takes jobs from the queue and has them done, one at a time in each worker process. */
import { mkdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";
import type { JobLease, JobQueue } from "../jobs/job-queue.ts";
import type { JobRecord } from "../jobs/job.ts";
import { AttemptStop } from "./attempt-stop.ts";
import type { AttemptSettings, CostOf } from "./attempt.ts";
import { withoutPaths } from "./failure.ts";
import { HeldJob } from "./held-job.ts";
import type { JobFiles } from "./job-files.ts";
import { sweepFolders } from "./job-folder.ts";
import type { JobObserver } from "./observer.ts";
import { type WorkerOptions, WorkerProcess } from "./worker-process.ts";

export interface DispatcherOptions {
  readonly queue: JobQueue;
  readonly files: JobFiles;
  /** One job runs in each at a time. */
  readonly workers: readonly WorkerOptions[];
  /** Jobs have their folders in `jobs` below it. On a disk that survives restarts, if segments are to. */
  readonly dataFolder: string;
  /** How long leases of the queue hold; the queue's own figure. Default 10,000. */
  readonly leaseMs?: number;
  /** Longest time between two looks at whether a job was called off. Default 200. */
  readonly watchMs?: number;
  /** Between two progress events. Default 500. */
  readonly progressMs?: number;
  /** Space that must be free before a job's inputs are brought in. Default 512 MiB. */
  readonly minFreeBytes?: number;
  /** Seed of jobs that name none. Default 1247. */
  readonly defaultSeed?: number;
  readonly observer?: JobObserver;
  readonly cost?: CostOf;
  /** Called with each job that has ended here, such as for its webhook; may take its time and fail. */
  readonly onFinished?: (
    job: JobRecord,
    options: { readonly signal: AbortSignal },
  ) => Promise<void>;
}

export type DispatcherState = "starting" | "ready" | "busy" | "setup_failed";

export interface Dispatcher extends AsyncDisposable {
  readonly workers: readonly WorkerProcess[];
  /**
   * `busy`: new jobs wait, as every worker that can work has one, or no more are taken;
   * `setup_failed`: none can work, and at least one has failed to start.
   */
  readonly state: DispatcherState;
  /** Why the last setup failed, fit for clients; `undefined` while no worker's has. */
  readonly problem: string | undefined;
  /**
   * Takes no more jobs, hands the running ones on with their attempts not counted, and ends the
   * workers; all within `deadlineMs`, default 8500.
   */
  drain(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/** Between two sweeps of the folders that dead processes have left. */
const SWEEP_MS = 600_000;
const TROUBLE_WAIT_MS = 500;
const DEFAULT_DRAIN_MS = 8500;

/** Starts the workers and takes jobs until it is drained. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new QueueDispatcher(options);
}

class QueueDispatcher implements Dispatcher {
  readonly workers: readonly WorkerProcess[];
  readonly #options: DispatcherOptions;
  readonly #settings: AttemptSettings;
  readonly #observer: JobObserver;
  readonly #draining = new AbortController();
  readonly #finishing = new Set<Promise<void>>();
  readonly #loops: Promise<unknown>;
  #drained: Promise<void> | undefined;

  constructor(options: DispatcherOptions) {
    const { observer = {}, files, cost } = options;
    this.#options = options;
    this.#observer = observer;
    this.#settings = {
      files,
      observer,
      cost,
      minFreeBytes: options.minFreeBytes ?? 512 * 2 ** 20,
      defaultSeed: options.defaultSeed ?? 1247,
      progressMs: options.progressMs ?? 500,
    };
    this.workers = options.workers.map((worker) => new WorkerProcess(worker, observer));
    const taking = this.workers.map(async (worker) => await this.#takeJobs(worker));
    this.#loops = Promise.all([...taking, this.#sweep()]);
  }

  get state(): DispatcherState {
    const states = new Set(this.workers.map((worker) => worker.state));
    if (this.#draining.signal.aborted) return "busy";
    if (states.has("ready")) return "ready";
    if (states.has("busy")) return "busy";
    // Through the attempts to set it up again, too.
    const failed = this.workers.some((worker) => worker.setupFailure !== undefined);
    return failed ? "setup_failed" : "starting";
  }

  get problem(): string | undefined {
    const failed = this.workers.find((worker) => worker.setupFailure !== undefined);
    return failed?.setupFailure && withoutPaths(failed.setupFailure.message);
  }

  drain(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#drained ??= this.#drain(options.deadlineMs ?? DEFAULT_DRAIN_MS);
    return this.#drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #drain(deadlineMs: number): Promise<void> {
    this.#draining.abort(new AttemptStop("drain"));
    const done = new AbortController();
    const limit = delay(deadlineMs, undefined, { signal: done.signal }).catch(() => {});
    // A run that does not end by itself is ended in time for its lease to be handed back.
    const killing = setTimeout(
      () => this.workers.forEach((worker) => worker.kill()),
      deadlineMs / 2,
    );
    const work = async (): Promise<void> => {
      await this.#loops;
      clearTimeout(killing);
      await Promise.all(this.workers.map((worker) => worker[Symbol.asyncDispose]()));
      await Promise.allSettled([...this.#finishing]);
    };
    await Promise.race([work(), limit]);
    done.abort();
    clearTimeout(killing);
    // What has not ended by now has no more time.
    for (const worker of this.workers) worker.kill();
  }

  async #takeJobs(worker: WorkerProcess): Promise<void> {
    const { signal } = this.#draining;
    while (!signal.aborted) {
      try {
        await worker.ready({ signal });
        const lease = await this.#options.queue.claim({ signal });
        if (lease === undefined) continue;
        await this.#do(lease, worker);
      } catch (error) {
        if (signal.aborted) return;
        this.#observer.trouble?.({ what: `${worker.name} could not take a job`, cause: error });
        await delay(TROUBLE_WAIT_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #do(lease: JobLease, worker: WorkerProcess): Promise<void> {
    const { queue, dataFolder, leaseMs = 10_000, watchMs = 200 } = this.#options;
    const held = new HeldJob({
      lease,
      worker,
      queue,
      dataFolder,
      leaseMs,
      watchMs,
      settings: this.#settings,
      draining: this.#draining.signal,
    });
    const finished = await held.work();
    if (finished !== undefined) this.#announce(finished);
  }

  #announce(job: JobRecord): void {
    const { onFinished } = this.#options;
    if (onFinished === undefined) return;
    const announcing = onFinished(job, { signal: this.#draining.signal })
      .catch((error: unknown) => {
        const what = "The end of a job could not be announced";
        this.#observer.trouble?.({ what, cause: error, jobId: job.id });
      })
      .finally(() => this.#finishing.delete(announcing));
    this.#finishing.add(announcing);
  }

  async #sweep(): Promise<void> {
    const { queue, dataFolder } = this.#options;
    const { signal } = this.#draining;
    while (!signal.aborted) {
      try {
        await mkdir(dataFolder, { recursive: true });
        await sweepFolders(dataFolder, queue);
      } catch (error) {
        const unavailable = LatentSyncError.is(error) && error.code === "unavailable";
        const what = unavailable ? "Folders are not swept: no queue" : "Folders are not swept";
        this.#observer.trouble?.({ what, cause: error });
      }
      await delay(SWEEP_MS, undefined, { signal }).catch(() => {});
    }
  }
}
