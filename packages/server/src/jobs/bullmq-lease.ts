/** A lease on a job of BullMQ. */
import type { Job } from "bullmq";
import type { Answer, BullmqJobs } from "./bullmq-jobs.ts";
import type { JobHistory, JobRow } from "./job-history.ts";
import type { JobLease } from "./job-queue.ts";
import type { JobError, JobEventBody, JobManifest, JobRecord } from "./job.ts";
import { type ResolvedQueueLimits, backoffOf } from "./queue-limits.ts";

interface BullmqLeaseOptions {
  readonly job: Job;
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly heldUntil: number;
  /** Up to the start of this lease. */
  readonly history: JobHistory;
  readonly limits: ResolvedQueueLimits;
  readonly jobs: BullmqJobs;
  /** Bounds how long an answer takes. */
  readonly answer: Answer;
  /** Has BullMQ put the job to the finished ones. */
  readonly finish: () => Promise<void>;
  readonly changed: () => void;
}

export class BullmqLease implements JobLease {
  readonly job: JobRecord;
  readonly #options: BullmqLeaseOptions;
  #heldUntil: number;
  #lost = false;
  /** Rows are appended one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: BullmqLeaseOptions) {
    this.#options = options;
    this.#heldUntil = options.heldUntil;
    this.job = options.history.record();
  }

  renew(): Promise<{ readonly held: boolean; readonly cancelRequested: boolean }> {
    return this.#inTurn(async () => {
      const { history, jobs } = this.#options;
      const held = (await this.#extend()) && (await jobs.catchUp(this.job.id, history));
      if (!held || history.token !== this.#options.token) {
        this.#lost = true;
        return { held: false, cancelRequested: false };
      }
      return { held, cancelRequested: history.cancelRequested };
    });
  }

  cancelRequested(): Promise<boolean> {
    return this.#inTurn(async () => {
      const { history, jobs, token } = this.#options;
      await jobs.catchUp(this.job.id, history);
      return history.token === token && history.cancelRequested;
    });
  }

  append(events: readonly JobEventBody[]): Promise<boolean> {
    return this.#inTurn(async () => {
      if (events.length === 0) return await this.#extend();
      return await this.#write({ kind: "tell", ...this.#stamp(), events });
    });
  }

  complete(manifest: JobManifest): Promise<boolean> {
    return this.#inTurn(async () => {
      const stamp = this.#stamp();
      const row = {
        kind: "end",
        ...stamp,
        status: "completed",
        deadLetter: false,
        manifest,
      } as const;
      return await this.#end(row);
    });
  }

  fail(error: JobError, { retry }: { readonly retry: boolean }): Promise<boolean> {
    return this.#inTurn(async () => {
      const { history, limits } = this.#options;
      const stamp = this.#stamp();
      if (retry && history.attempts < limits.maxAttempts) {
        const availableAt = stamp.at + backoffOf(limits, history.attempts);
        return await this.#end({ kind: "wait", ...stamp, availableAt, attemptCounts: true });
      }
      return await this.#end({ kind: "end", ...stamp, status: "failed", deadLetter: retry, error });
    });
  }

  release(): Promise<boolean> {
    return this.#inTurn(async () => {
      const row = { kind: "wait", ...this.#stamp(), availableAt: 0, attemptCounts: false } as const;
      return await this.#end(row);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#options.answer(async () => {
      const turn = this.#last.then(work);
      this.#last = turn.catch(() => undefined);
      return await turn;
    });
  }

  #stamp(): { readonly token: string; readonly at: number } {
    return { token: this.#options.token, at: Date.now() };
  }

  /** Whether the lease holds; its time then begins again. */
  async #extend(): Promise<boolean> {
    const { job, token, limits } = this.#options;
    const heldUntil = Date.now() + limits.leaseMs;
    // BullMQ on PostgreSQL extends a lock that has run out, as long as nobody has taken the job.
    if (this.#lost || Date.now() >= this.#heldUntil) return false;
    const extended = await job.extendLock(token, limits.leaseMs);
    if (extended === 1) this.#heldUntil = heldUntil;
    else this.#lost = true;
    return extended === 1;
  }

  async #write(row: JobRow): Promise<boolean> {
    if (!(await this.#extend())) return false;
    const { jobs, history, changed } = this.#options;
    const counts = (await jobs.append(this.job.id, row, history)) === true;
    if (!counts) this.#lost = true;
    changed();
    return counts;
  }

  /** The log decides; if BullMQ cannot follow now, whoever finds the job later sees to it. */
  async #end(row: JobRow): Promise<boolean> {
    if (!(await this.#write(row))) return false;
    this.#lost = true;
    const { job, token, history, finish, changed } = this.#options;
    try {
      if (history.finishedAt !== undefined) await finish();
      else if (history.availableAt > Date.now())
        await job.moveToDelayed(history.availableAt, token);
      else await job.moveToWait(token);
    } catch {
      // The lock runs out, and the job is found.
    }
    changed();
    return true;
  }
}
