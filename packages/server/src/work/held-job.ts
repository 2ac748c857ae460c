/** A job from its claim to its end: the attempt, and what the queue is told of it. */
import { setTimeout as delay } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";
import type { JobLease, JobQueue } from "../jobs/job-queue.ts";
import type { JobError, JobRecord } from "../jobs/job.ts";
import { AttemptStop } from "./attempt-stop.ts";
import { type AttemptSettings, JobAttempt } from "./attempt.ts";
import { EventLog } from "./event-log.ts";
import { failureOf, withoutPaths } from "./failure.ts";
import { JobFolder, removeIfOver } from "./job-folder.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { Attempt, AttemptOutcome } from "./observer.ts";
import type { WorkerProcess } from "./worker-process.ts";

export interface HeldJobOptions {
  readonly lease: JobLease;
  readonly worker: WorkerProcess;
  readonly queue: JobQueue;
  readonly dataFolder: string;
  readonly leaseMs: number;
  readonly watchMs: number;
  readonly settings: AttemptSettings;
  /** Aborts when the server goes down. */
  readonly draining: AbortSignal;
}

/** How long an outcome is offered to a queue that is away; then the job comes again by its lease. */
const SETTLE_MS = 60_000;
const SETTLE_RETRY_MS = 250;
/** Lines of a dead process that clients see. */
const SHOWN_LINES = 5;

interface Ended {
  readonly outcome: AttemptOutcome;
  readonly cause?: unknown;
}

export class HeldJob {
  readonly #options: HeldJobOptions;
  readonly #attempt: Attempt;
  readonly #stop = new AbortController();
  readonly #log: EventLog;

  constructor(options: HeldJobOptions) {
    this.#options = options;
    this.#attempt = { job: options.lease.job, worker: options.worker.name };
    this.#log = new EventLog(options.lease, options.settings.progressMs);
  }

  /** @returns the job if it has ended. */
  async work(): Promise<JobRecord | undefined> {
    const { lease, queue, settings } = this.#options;
    const { job } = lease;
    const startedAt = performance.now();
    const waitedSeconds = Math.max(0, (Date.now() - Date.parse(job.createdAt)) / 1000);
    settings.observer.jobStarted?.(this.#attempt, { waitedSeconds });
    using _deadline = this.#watchDeadline();
    using log = this.#log;
    log.log("info", `attempt ${job.attempts} started on ${this.#attempt.worker}`);
    const { outcome, cause } = await this.#run();
    const seconds = (performance.now() - startedAt) / 1000;
    const details = cause === undefined ? { outcome, seconds } : { outcome, seconds, cause };
    settings.observer.jobFinished?.(this.#attempt, details);
    if (outcome.kind === "lost") {
      settings.observer.leaseLost?.(this.#attempt);
      return undefined;
    }
    return await this.#cleanUp(queue);
  }

  async #run(): Promise<Ended> {
    const { lease, worker, dataFolder, draining, leaseMs, watchMs, settings } = this.#options;
    const drain = (): void => this.#stop.abort(draining.reason);
    draining.addEventListener("abort", drain);
    if (draining.aborted) drain();
    using keeper = new LeaseKeeper({
      lease,
      leaseMs,
      watchMs,
      onStop: (stop) => this.#stop.abort(stop),
      onTrouble: (cause) => this.#trouble("The lease could not be renewed", cause),
    });
    try {
      const folder = new JobFolder(dataFolder, lease.job.id);
      const { signal } = this.#stop;
      const log = this.#log;
      const attempt = new JobAttempt({ settings, lease, worker, folder, keeper, log, signal });
      const manifest = await attempt.run();
      await log.flush();
      const held = await this.#settle(async () => await lease.complete(manifest));
      return { outcome: held ? { kind: "completed", manifest } : { kind: "lost" } };
    } catch (error) {
      return await this.#fail(error, keeper);
    } finally {
      draining.removeEventListener("abort", drain);
    }
  }

  /** Tells the queue how the attempt failed. */
  async #fail(thrown: unknown, keeper: LeaseKeeper): Promise<Ended> {
    const { lease } = this.#options;
    const { signal } = this.#stop;
    // What fails after a stop fails because of it.
    const stop: unknown = signal.aborted ? signal.reason : thrown;
    if (stop instanceof AttemptStop) return await this.#stopped(stop);
    if (LatentSyncError.is(thrown) && thrown.code === "unavailable" && this.#setupFailed()) {
      return await this.#handBack("the engine could not be set up here", thrown);
    }
    const { error, retry } = failureOf(thrown);
    if (error.code === "crashed") this.#tellLastLines();
    this.#tellError(error, retry);
    await this.#log.flush();
    // The queue itself may need the space.
    if (error.code === "disk_full" && keeper.certain) await this.#removeFolder();
    const held = await this.#settle(async () => await lease.fail(error, { retry }));
    const kind = retry ? "retry" : "failed";
    return { outcome: held ? { kind, error } : { kind: "lost" }, cause: thrown };
  }

  async #stopped({ kind, message }: AttemptStop): Promise<Ended> {
    if (kind === "lost") return { outcome: { kind } };
    if (kind === "drain") return await this.#handBack("the server is going down");
    const error: JobError = { code: kind, message };
    this.#tellError(error, false);
    await this.#log.flush();
    const held = await this.#settle(
      async () => await this.#options.lease.fail(error, { retry: false }),
    );
    if (!held) return { outcome: { kind: "lost" } };
    return { outcome: { kind: kind === "cancelled" ? kind : "failed", error } };
  }

  async #handBack(why: string, cause?: unknown): Promise<Ended> {
    this.#log.log("info", `handed on: ${why}`);
    await this.#log.flush();
    const held = await this.#settle(async () => await this.#options.lease.release());
    return { outcome: { kind: held ? "released" : "lost" }, ...(cause !== undefined && { cause }) };
  }

  /** Offers an outcome to the queue until it has taken it. @returns whether it has. */
  async #settle(tell: () => Promise<boolean>): Promise<boolean> {
    const giveUpAt = performance.now() + SETTLE_MS;
    let isInDoubt = false;
    for (;;) {
      try {
        // What the queue did not answer to it may have taken all the same, and the lease with it.
        return (await tell()) || (isInDoubt && (await this.#hasEnded()));
      } catch (error) {
        isInDoubt = true;
        this.#trouble("The queue could not be told of a job's end", error);
        if (this.#options.draining.aborted || performance.now() > giveUpAt) return false;
        await delay(SETTLE_RETRY_MS);
      }
    }
  }

  async #hasEnded(): Promise<boolean> {
    const job = await this.#options.queue.get(this.#attempt.job.id);
    return job?.finishedAt !== undefined;
  }

  #setupFailed(): boolean {
    return this.#options.worker.setupFailure !== undefined;
  }

  #tellError(error: JobError, retry: boolean): void {
    const hint = error.hint === undefined ? "" : ` ${error.hint}`;
    this.#log.log(retry ? "warn" : "error", `${error.code}: ${error.message}${hint}`);
  }

  #tellLastLines(): void {
    for (const line of this.#options.worker.lastLines.slice(-SHOWN_LINES)) {
      this.#log.log("warn", withoutPaths(line));
    }
  }

  #watchDeadline(): Disposable {
    const { deadlineAt } = this.#options.lease.job;
    if (deadlineAt === undefined) return { [Symbol.dispose]: () => {} };
    const leftMs = Date.parse(deadlineAt) - Date.now();
    const expire = (): void => this.#stop.abort(new AttemptStop("timeout"));
    if (leftMs <= 0) expire();
    const timer = setTimeout(expire, Math.max(0, leftMs));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  async #cleanUp(queue: JobQueue): Promise<JobRecord | undefined> {
    const { id } = this.#attempt.job;
    const folder = new JobFolder(this.#options.dataFolder, id);
    const giveUpAt = performance.now() + SETTLE_MS;
    for (;;) {
      try {
        return await removeIfOver(folder, id, queue);
      } catch (error) {
        // The next sweep finds it.
        this.#trouble("A job's folder was left", error);
        const isAway = LatentSyncError.is(error) && error.code === "unavailable";
        const { aborted } = this.#options.draining;
        if (!isAway || aborted || performance.now() > giveUpAt) return undefined;
        await delay(SETTLE_RETRY_MS);
      }
    }
  }

  async #removeFolder(): Promise<void> {
    try {
      await new JobFolder(this.#options.dataFolder, this.#attempt.job.id).remove();
    } catch (error) {
      this.#trouble("A job's folder was left", error);
    }
  }

  #trouble(what: string, cause: unknown): void {
    this.#options.settings.observer.trouble?.({ what, cause, jobId: this.#attempt.job.id });
  }
}
