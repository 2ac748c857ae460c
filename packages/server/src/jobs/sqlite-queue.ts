/** The job queue in one SQLite file, for all processes of one machine. No other service is needed. */
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { JobLease, JobQueue, JobQueueLimits, NewJob } from "./job-queue.ts";
import { JobSignals, type WaitOptions } from "./job-signals.ts";
import type { JobEvent, JobRecord } from "./job.ts";
import { type ResolvedQueueLimits, queueDisposed, resolveQueueLimits } from "./queue-limits.ts";
import { SqliteJobs } from "./sqlite-jobs.ts";
import { openSqliteDatabase } from "./sqlite-schema.ts";
import { SqliteWriter, toLatentSyncError } from "./sqlite-writer.ts";

export interface SqliteQueueOptions {
  /** File, made if it is missing, on a local disk; `:memory:` for a queue that ends with the handle. */
  readonly path: string;
  readonly limits?: JobQueueLimits | undefined;
}

/**
 * Opens the queue in a SQLite file. Any number of processes of one machine may have it open. A job
 * that was accepted survives kill -9 and loss of power.
 * @throws LatentSyncError `io`, `invalid_argument` or `unsupported` if the file cannot be used.
 */
export function openSqliteQueue(options: SqliteQueueOptions): JobQueue {
  const limits = resolveQueueLimits(options.limits);
  return new SqliteQueue(openSqliteDatabase(options.path), limits);
}

/** How often it is looked whether another process has changed something: reading one number. */
const FOREIGN_CHANGES_MS = 100;
/** Events that are read at once. */
const EVENT_BATCH = 100;
/** Beyond so many new events of others everybody is woken, rather than looking whom they concern. */
const MANY_EVENTS = 1000;
const UPKEEP_MS = { shortest: 50, longest: 5000 };

const CLAIMS = "claims";

interface EventPage {
  readonly ended: boolean;
  readonly events: readonly JobEvent[];
}

class SqliteQueue implements JobQueue {
  readonly #database: DatabaseSync;
  readonly #jobs: SqliteJobs;
  readonly #writer: SqliteWriter;
  readonly #signals = new JobSignals();
  readonly #pages = new Map<string, EventPage>();
  readonly #upkeep: NodeJS.Timeout;
  #watch: NodeJS.Timeout | undefined;
  #seenVersion: number;
  #seenEvent: number;
  #disposed: Promise<void> | undefined;

  constructor(database: DatabaseSync, limits: ResolvedQueueLimits) {
    this.#database = database;
    this.#jobs = new SqliteJobs(database, limits);
    this.#writer = new SqliteWriter(database);
    this.#seenVersion = this.#dataVersion();
    this.#seenEvent = this.#jobs.lastEvent();
    const period = Math.min(limits.leaseMs, limits.retentionMs) / 2;
    this.#upkeep = setInterval(
      () => {
        void this.#keepUp();
      },
      Math.max(UPKEEP_MS.shortest, Math.min(period, UPKEEP_MS.longest)),
    );
    this.#upkeep.unref();
  }

  async add(job: NewJob): ReturnType<JobQueue["add"]> {
    const added = await this.#write(() => this.#jobs.insert(job));
    if (added.created) this.#signals.wake(CLAIMS);
    return added;
  }

  async get(id: string): Promise<JobRecord | undefined> {
    return this.#read(() => this.#jobs.get(id));
  }

  async list(filter: Parameters<JobQueue["list"]>[0]): Promise<readonly JobRecord[]> {
    return this.#read(() => this.#jobs.list(filter));
  }

  async counts(): ReturnType<JobQueue["counts"]> {
    return this.#read(() => this.#jobs.counts());
  }

  async cancel(id: string): Promise<JobRecord | undefined> {
    const job = await this.#write(() => this.#jobs.cancel(id));
    this.#changed(id);
    return job;
  }

  async claim({ signal }: { readonly signal: AbortSignal }): Promise<JobLease | undefined> {
    while (!signal.aborted) {
      if (this.#read(() => this.#jobs.hasDue())) {
        const lease = await this.#tryClaim(signal);
        if (lease) return lease;
      } else {
        await this.#wait(CLAIMS, { signal, timeoutMs: this.#jobs.untilDue() });
      }
    }
    return undefined;
  }

  async #tryClaim(signal: AbortSignal): Promise<JobLease | undefined> {
    const token = randomUUID();
    const { job, expired } = await this.#write(() =>
      signal.aborted
        ? { job: undefined, expired: [] }
        : { expired: this.#jobs.expireLeases(), job: this.#jobs.claim(token) },
    );
    for (const id of expired) this.#changed(id);
    if (!job) return undefined;
    this.#changed(job.id);
    return this.#lease(job, token);
  }

  #lease(job: JobRecord, token: string): JobLease {
    const key = { id: job.id, token };
    const change = async (work: () => boolean): Promise<boolean> => {
      const changed = await this.#write(work);
      if (changed) this.#changed(job.id);
      return changed;
    };
    const handBack = async (work: () => boolean): Promise<boolean> => {
      const changed = await change(work);
      if (changed) this.#signals.wake(CLAIMS);
      return changed;
    };
    return {
      job,
      renew: () => this.#write(() => this.#jobs.renew(key)),
      cancelRequested: async () => this.#read(() => this.#jobs.cancelRequested(key)),
      append: (events) => change(() => this.#jobs.append(key, events)),
      complete: (manifest) => change(() => this.#jobs.complete(key, manifest)),
      fail: (error, { retry }) => handBack(() => this.#jobs.fail(key, error, retry)),
      release: () => handBack(() => this.#jobs.release(key)),
    };
  }

  async *events(
    id: string,
    { after = 0, follow = false, signal }: NonNullable<Parameters<JobQueue["events"]>[1]> = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    let last = after;
    while (signal?.aborted !== true) {
      const { ended, events } = this.#read(() => this.#page(id, last));
      for (const event of events) {
        yield event;
        last = event.id;
      }
      if (events.length > 0) continue;
      if (!follow || ended) return;
      await this.#wait(topicOf(id), { signal });
    }
  }

  /** Many may follow one job: those that are woken together share what is read. */
  #page(id: string, after: number): EventPage {
    const key = `${id} ${after}`;
    const known = this.#pages.get(key);
    if (known) return known;
    // Ended or not is read first, as another process may end the job in between.
    const ended = this.#jobs.hasEnded(id);
    const page = { ended, events: this.#jobs.events(id, after, EVENT_BATCH) };
    if (this.#pages.size === 0) {
      setImmediate(() => {
        this.#pages.clear();
      });
    }
    this.#pages.set(key, page);
    return page;
  }

  #changed(id: string): void {
    this.#pages.clear();
    this.#signals.wake(topicOf(id));
  }

  /** Synchronous, so that a wait that follows at once cannot miss a change. */
  #read<T>(read: () => T): T {
    if (this.#disposed) throw queueDisposed();
    try {
      return read();
    } catch (error) {
      throw toLatentSyncError(error);
    }
  }

  async #write<T>(work: () => T): Promise<T> {
    if (this.#disposed) throw queueDisposed();
    return await this.#writer.write(work);
  }

  async #wait(topic: string, options: WaitOptions): Promise<void> {
    const change = this.#signals.wait(topic, options);
    this.#watch ??= setInterval(() => {
      this.#lookForForeignChanges();
    }, FOREIGN_CHANGES_MS);
    await change;
    if (this.#signals.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    }
  }

  #lookForForeignChanges(): void {
    try {
      this.#wakeForForeignChanges();
    } catch {
      // Those that wait read for themselves, and are told what is wrong.
      this.#signals.wakeAll();
    }
  }

  #wakeForForeignChanges(): void {
    const version = this.#dataVersion();
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    this.#pages.clear();
    const seen = this.#seenEvent;
    this.#seenEvent = this.#jobs.lastEvent();
    if (this.#seenEvent - seen > MANY_EVENTS) {
      this.#signals.wakeAll();
      return;
    }
    this.#signals.wake(CLAIMS);
    for (const id of this.#jobs.jobsWithEventsAfter(seen)) this.#changed(id);
  }

  /** Changes when another connection has changed the file. */
  #dataVersion(): number {
    return Number(this.#database.prepare("PRAGMA data_version").get()?.["data_version"]);
  }

  /** Takes leases back that have run out, and forgets what is old, also if nobody claims. */
  async #keepUp(): Promise<void> {
    try {
      if (!this.#jobs.needsUpkeep()) return;
      const expired = await this.#write(() => {
        this.#jobs.removeOld();
        return this.#jobs.expireLeases();
      });
      for (const id of expired) this.#changed(id);
      this.#signals.wake(CLAIMS);
    } catch {
      // The next turn tries again, and whoever uses the queue is told what is wrong.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#upkeep);
    clearInterval(this.#watch);
    await this.#writer.idle();
    this.#signals.wakeAll();
    this.#database.close();
  }
}

function topicOf(id: string): string {
  return `job ${id}`;
}
