/**
 * The job queue on BullMQ, in Redis or PostgreSQL, for many machines. BullMQ says whose turn it is
 * and finds workers that died; a job's own log says what became of it (`job-history.ts`), so that
 * leases, cancellations and events are sound whatever dies between two commands.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";
import { type Job, type Queue, UnrecoverableError, type Worker } from "bullmq";
import { BullmqAdditions, HIGHEST_PRIORITY, countWaiting } from "./bullmq-additions.ts";
import { BullmqClaims } from "./bullmq-claims.ts";
import { ANSWER_MS, type BullmqConnection, connect, unavailable } from "./bullmq-connection.ts";
import { BullmqJobs, EventReader, listOfOwner } from "./bullmq-jobs.ts";
import { BullmqLease } from "./bullmq-lease.ts";
import { BullmqSignals, CLAIMS, topicOf } from "./bullmq-signals.ts";
import type { JobHistory, JobRow } from "./job-history.ts";
import type { JobLease, JobQueue, JobQueueLimits, NewJob } from "./job-queue.ts";
import type { JobEvent, JobRecord, JobStatus } from "./job.ts";
import {
  type ResolvedQueueLimits,
  crashed,
  queueDisposed,
  resolveQueueLimits,
} from "./queue-limits.ts";

export interface BullmqQueueOptions {
  /** `redis:`, `rediss:`, `postgres:` or `postgresql:`. */
  readonly url: string;
  /** Tells apart queues on one server. Letters, digits, `-` and `_`. Default `latentsync`. */
  readonly name?: string | undefined;
  readonly limits?: JobQueueLimits | undefined;
  /** Is told how the server should be set so that nothing is lost. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Opens the queue on a Redis or PostgreSQL server. Tables of PostgreSQL are made if they are
 * missing, in the schema `bullmq`.
 *
 * An accepted job survives the death of every process. The death of the server it survives on
 * PostgreSQL, and on Redis with an append-only file and `appendfsync always`; with `everysec` a
 * death while a slow disk is flushed costs up to 2 s, and loss of power about the last second.
 * @throws LatentSyncError `invalid_argument` for another URL or name; `unavailable` if nobody
 * answers within 2 s.
 */
export async function openBullmqQueue(options: BullmqQueueOptions): Promise<JobQueue> {
  const limits = resolveQueueLimits(options.limits);
  const name = options.name ?? "latentsync";
  if (!/^[\w-]+$/.test(name)) {
    throw new LatentSyncError("invalid_argument", `A queue cannot have the name "${name}".`, {
      hint: "Use letters, digits, - and _.",
    });
  }
  const connection = await connect(options.url);
  const queue = new BullmqQueue(connection, name, limits);
  try {
    for (const warning of await connection.warnings()) options.onWarning?.(warning);
    await queue.ready();
    return queue;
  } catch (error) {
    await queue[Symbol.asyncDispose]();
    throw unavailable(error);
  }
}

const CLOSE_MS = 3000;
const UPKEEP_MS = { shortest: 100, longest: 60_000 };
/** Finished jobs that are removed at once. */
const REMOVED_AT_ONCE = 1000;
/** Others may come first when a job is put away. */
const PUT_AWAY_TRIES = 5;
/** A job of a dead worker comes again within its lease and one such check. */
const LONGEST_STALLED_CHECK_MS = 2500;

class BullmqQueue implements JobQueue {
  readonly #connection: BullmqConnection;
  readonly #limits: ResolvedQueueLimits;
  readonly #queue: Queue;
  readonly #lists: Queue;
  readonly #worker: Worker;
  readonly #jobs: BullmqJobs;
  readonly #additions: BullmqAdditions;
  readonly #signals: BullmqSignals;
  readonly #claims: BullmqClaims;
  readonly #upkeep: NodeJS.Timeout;
  #disposed: Promise<void> | undefined;

  constructor(connection: BullmqConnection, name: string, limits: ResolvedQueueLimits) {
    this.#connection = connection;
    this.#limits = limits;
    this.#queue = connection.queue(name, {});
    this.#lists = connection.queue(`${name}-lists`, {});
    this.#worker = connection.worker(name, {
      autorun: false,
      lockDuration: limits.leaseMs,
      stalledInterval: Math.min(limits.leaseMs / 4, LONGEST_STALLED_CHECK_MS),
      // Attempts are counted in the log of the job. PostgreSQL takes 32 bits.
      maxStalledCount: 2 ** 31 - 1,
    });
    this.#worker.on("stalled", (id) => {
      void this.#takeBack(id).catch(() => undefined);
    });
    this.#jobs = new BullmqJobs(this.#queue, this.#lists);
    this.#additions = new BullmqAdditions({
      queue: this.#queue,
      jobs: this.#jobs,
      limits,
      exclusively: (work) => connection.exclusively(name, work),
    });
    this.#signals = new BullmqSignals(() => connection.queueEvents(name));
    this.#claims = new BullmqClaims(this.#signals, () => this.#tryClaim());
    this.#upkeep = setInterval(
      () => {
        void this.#removeOld().catch(() => undefined);
      },
      Math.max(UPKEEP_MS.shortest, Math.min(limits.retentionMs, UPKEEP_MS.longest)),
    );
    this.#upkeep.unref();
  }

  async ready(): Promise<void> {
    await this.#queue.waitUntilReady();
    await this.#lists.waitUntilReady();
    await this.#worker.waitUntilReady();
    await this.#worker.startStalledCheckTimer();
  }

  async add(job: NewJob): ReturnType<JobQueue["add"]> {
    return await this.#answer(async (timedOut) => {
      const { added, abandon } = this.#additions.add(job);
      timedOut.addEventListener("abort", abandon);
      const answer = await added;
      if (answer.created) this.#signals.wake(CLAIMS);
      return answer;
    });
  }

  async get(id: string): Promise<JobRecord | undefined> {
    return await this.#answer(async () => {
      const history = await this.#find(id);
      return history?.record();
    });
  }

  async list(filter: Parameters<JobQueue["list"]>[0]): Promise<readonly JobRecord[]> {
    const { owner, deadLetter } = filter;
    const found: JobRecord[] = [];
    const list = owner === undefined ? "all" : listOfOwner("owner", owner);
    // Dead letters are few, and listed in the order of their ends.
    const pages =
      deadLetter === true
        ? [await this.#answer(() => this.#jobs.allIdsOf("dead"))]
        : this.#jobs.idsOf(list, (work) => this.#answer(work));
    for await (const ids of pages) {
      const jobs = await this.#answer(() => Promise.all(ids.map((id) => this.#find(id))));
      const records = jobs.flatMap((history) => history?.record() ?? []);
      found.push(...records.filter((record) => matches(record, filter)));
      if (found.length >= filter.limit) break;
    }
    if (deadLetter === true) found.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    return found.slice(0, Math.max(0, filter.limit));
  }

  async counts(): Promise<Readonly<Record<JobStatus | "deadLetter", number>>> {
    return await this.#answer(async () => {
      const {
        active = 0,
        completed = 0,
        failed = 0,
      } = await this.#queue.getJobCounts("active", "completed", "failed");
      const queued = await countWaiting(this.#queue);
      const dead = await this.#jobs.allIdsOf("dead");
      const kept = await Promise.all(dead.map((id) => this.#queue.getJob(id)));
      const deadLetter = kept.filter((job) => job !== undefined).length;
      return { queued, processing: active, completed, failed, deadLetter };
    });
  }

  async cancel(id: string): Promise<JobRecord | undefined> {
    return await this.#answer(async () => {
      const history = await this.#find(id);
      if (!history || history.finishedAt !== undefined) return history?.record();
      const cancelled = await this.#jobs.append(id, { kind: "cancel", at: Date.now() }, history);
      if (history.finishedAt !== undefined && cancelled === true) await this.#putAway(id);
      this.#signals.wake(topicOf(id));
      return history.record();
    });
  }

  claim({ signal }: { readonly signal: AbortSignal }): Promise<JobLease | undefined> {
    return this.#claims.claim(signal);
  }

  /** A lease, or `undefined` if nothing waits. */
  async #tryClaim(): Promise<JobLease | undefined> {
    for (;;) {
      if (this.#disposed) throw queueDisposed();
      const token = randomUUID();
      const heldUntil = Date.now() + this.#limits.leaseMs;
      const job = await this.#worker.getNextJob(token, { block: false });
      if (!job) return undefined;
      const id = job.id ?? "";
      const history = await this.#sortOut(job, token);
      if (!history) continue;
      const started = await this.#jobs.append(
        id,
        { kind: "start", token, at: Date.now() },
        history,
      );
      if (started === true) {
        this.#signals.wake(topicOf(id));
        return this.#lease(job, { token, heldUntil, history });
      }
    }
  }

  /**
   * Brings what BullMQ gives in line with its log. The history, if the job may be started; otherwise
   * it has been put where it belongs.
   */
  async #sortOut(job: Job, token: string): Promise<JobHistory | undefined> {
    const id = job.id ?? "";
    const history = await this.#jobs.read(id);
    if (!history) return undefined;
    if (history.token !== undefined) {
      await this.#jobs.append(id, this.#afterDeath(history, history.token), history);
      this.#signals.wake(topicOf(id));
    }
    if (history.finishedAt !== undefined) {
      await this.#finish(job, token, history);
      return undefined;
    }
    if (history.availableAt > Date.now() + 50) {
      await job.moveToDelayed(history.availableAt, token);
      return undefined;
    }
    return history;
  }

  /** What becomes of a job whose lease ran out. */
  #afterDeath(history: JobHistory, token: string): JobRow {
    const at = Date.now();
    if (history.attempts < this.#limits.maxAttempts) {
      return { kind: "wait", token, at, availableAt: 0, attemptCounts: true };
    }
    const error = crashed(history.attempts);
    return { kind: "end", token, at, status: "failed", deadLetter: true, error };
  }

  /** A lease ran out, as BullMQ has found. */
  async #takeBack(id: string): Promise<void> {
    const history = await this.#jobs.read(id);
    // BullMQ gives no lease for a job that waits: once that is seen, the one in the log is lost.
    const state = await this.#queue.getJobState(id);
    if (history?.token === undefined || state === "active") return;
    await this.#jobs.append(id, this.#afterDeath(history, history.token), history);
    if (history.finishedAt !== undefined) await this.#putAway(id);
    this.#signals.wake(topicOf(id));
    this.#signals.wake(CLAIMS);
  }

  /** Moves a job that has ended while it waited to the finished ones. */
  async #putAway(id: string): Promise<void> {
    for (let turn = 0; turn < PUT_AWAY_TRIES; turn++) {
      const waiting = await this.#queue.getJob(id);
      const state = await waiting?.getState();
      if (!waiting || state === "active" || state === "completed" || state === "failed") return;
      await waiting.changePriority({ priority: HIGHEST_PRIORITY, lifo: true });
      if (state === "delayed") await waiting.promote().catch(() => undefined);
      const token = randomUUID();
      const next = await this.#worker.getNextJob(token, { block: false });
      if (next && (await this.#sortOut(next, token))) await next.moveToWait(token);
    }
    // Whoever claims next does it.
  }

  async #finish(job: Job, token: string, history: JobHistory): Promise<void> {
    const { deadLetter, status } = history;
    if (deadLetter) await this.#jobs.addToList("dead", [job.id ?? ""]);
    if (status === "completed") await job.moveToCompleted(null, token, false);
    else await job.moveToFailed(new UnrecoverableError(status), token, false);
  }

  #lease(
    job: Job,
    held: { readonly token: string; readonly heldUntil: number; readonly history: JobHistory },
  ): JobLease {
    const { token, history } = held;
    return new BullmqLease({
      job,
      ...held,
      limits: this.#limits,
      jobs: this.#jobs,
      answer: (work) => this.#answer(work),
      finish: () => this.#finish(job, token, history),
      changed: () => {
        this.#signals.wake(topicOf(job.id ?? ""));
        this.#signals.wake(CLAIMS);
      },
    });
  }

  async *events(
    id: string,
    { after = 0, follow = false, signal }: NonNullable<Parameters<JobQueue["events"]>[1]> = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    const reader = new EventReader(this.#jobs, id);
    let known = false;
    while (signal?.aborted !== true) {
      // From before the look on, so that no change falls in between.
      const looked = new AbortController();
      const stop = AbortSignal.any([looked.signal, ...(signal ? [signal] : [])]);
      const awaited = { signal: stop, timeoutMs: reader.waitMs };
      const change = follow ? this.#signals.wait(topicOf(id), awaited) : undefined;
      try {
        known ||= (await this.#answer(() => this.#find(id))) !== undefined;
        if (!known) return;
        const { events, complete } = await this.#answer(() => reader.next());
        for (const event of events) if (event.id > after) yield event;
        if (!complete) continue;
        if (!follow || reader.ended) return;
        await change;
      } catch (error) {
        // Those that follow stay, and see soon when the server is back.
        if (!follow || !LatentSyncError.is(error) || error.code !== "unavailable") throw error;
        await this.#signals.wait(topicOf(id), { signal: stop });
      } finally {
        looked.abort();
      }
    }
  }

  async #find(id: string): Promise<JobHistory | undefined> {
    const history = await this.#jobs.read(id);
    const finishedAt = history?.finishedAt ?? Number.POSITIVE_INFINITY;
    return Date.now() - finishedAt > this.#limits.retentionMs ? undefined : history;
  }

  async #removeOld(): Promise<void> {
    await this.#queue.clean(this.#limits.retentionMs, REMOVED_AT_ONCE, "completed");
    await this.#queue.clean(this.#limits.retentionMs, REMOVED_AT_ONCE, "failed");
  }

  /** An answer, or an error, in time. */
  async #answer<T>(work: (timedOut: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#disposed) throw queueDisposed();
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      controller.abort();
      reject(new Error(`No answer within ${ANSWER_MS} ms.`));
    }, ANSWER_MS);
    try {
      return await Promise.race([work(controller.signal), promise]);
    } catch (error) {
      throw LatentSyncError.is(error) ? error : unavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#upkeep);
    this.#signals.wakeAll();
    // What is under way ends by itself, and soon, unless the server hangs.
    const idle = Promise.all([this.#additions.idle(), this.#claims.idle()]);
    await upTo(CLOSE_MS, idle);
    const closed = Promise.allSettled([
      this.#worker.close(true),
      this.#queue.close(),
      this.#lists.close(),
      this.#signals.close(),
    ]);
    // Without a server BullMQ may wait for one that never comes.
    await upTo(CLOSE_MS, closed);
    await this.#connection.close();
  }
}

/** Resolves when `work` does, or after so long. */
async function upTo(limitMs: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  try {
    await Promise.race([work, sleep(limitMs, undefined, { signal })]);
  } finally {
    done.abort();
  }
}

function matches(job: JobRecord, filter: Parameters<JobQueue["list"]>[0]): boolean {
  const { owner = job.owner, status = job.status, deadLetter = job.deadLetter } = filter;
  return owner === job.owner && status === job.status && deadLetter === job.deadLetter;
}
