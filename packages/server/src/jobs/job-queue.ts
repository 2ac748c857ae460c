import type { JobRequest } from "./job-request.ts";
/**
 * The queue seam: jobs, their events, and the right to work on them. An accepted job survives the
 * death of any process; a lease is the only right to change a job, and a lost lease changes
 * nothing. Adapters pass `jobQueueConformance` of `@ls/server/conformance`.
 *
 * A queue neither runs jobs nor publishes results.
 */
import type { JobError, JobEvent, JobEventBody, JobManifest, JobRecord, JobStatus } from "./job.ts";

export interface NewJob {
  /** UUID in lower case. A job of that id that is already there is returned as it is. */
  readonly id: string;
  readonly request: JobRequest;
  readonly owner: string;
  readonly deadlineAt?: string;
  readonly traceparent?: string;
}

/** Limits that hold over all processes on a queue. */
export interface JobQueueLimits {
  /** Jobs that wait. Default 1000. */
  readonly maxQueued?: number;
  /** Unfinished jobs of one owner. Default: as many as the queue takes. */
  readonly maxUnfinishedPerOwner?: number;
  /** Starts of a job, before it becomes a dead letter. Default 3. */
  readonly maxAttempts?: number;
  /** How long a lease holds without being renewed. Default 10,000. */
  readonly leaseMs?: number;
  /** Wait before the second start; doubles with each further one. Default 1000. */
  readonly backoffMs?: number;
  /** How long finished jobs are kept. Default 7 days. */
  readonly retentionMs?: number;
}

export interface JobQueue extends AsyncDisposable {
  /**
   * Accepts a job. Once this resolves the job is safe.
   * @throws LatentSyncError `exhausted` if the queue or the owner's share is full; `unavailable` if
   * the queue cannot be reached, within 2 s.
   */
  add(job: NewJob): Promise<{ readonly job: JobRecord; readonly created: boolean }>;
  get(id: string): Promise<JobRecord | undefined>;
  /** Newest first. */
  list(filter: {
    readonly owner?: string;
    readonly status?: JobStatus;
    readonly deadLetter?: boolean;
    readonly limit: number;
  }): Promise<readonly JobRecord[]>;
  /** A waiting job ends at once, a held one when its holder sees it. `undefined`: no such job. */
  cancel(id: string): Promise<JobRecord | undefined>;
  /**
   * The next job in order of priority, then age; waits for one until `signal` aborts, and then
   * resolves to `undefined`. Jobs whose lease has run out come again, or become dead letters.
   */
  claim(options: { readonly signal: AbortSignal }): Promise<JobLease | undefined>;
  /**
   * Events after `after` (default 0: all), then new ones as they come; ends when the job is
   * finished and all is told, when there is no such job, when `signal` aborts, or at once after the
   * stored ones unless `follow`. Every change of status is told by the queue itself.
   */
  events(
    id: string,
    options?: { readonly after?: number; readonly follow?: boolean; readonly signal?: AbortSignal },
  ): AsyncIterable<JobEvent>;
  /** Jobs by status, and dead letters among the failed. */
  counts(): Promise<Readonly<Record<JobStatus | "deadLetter", number>>>;
}

/** The right to work on a job. Every method resolves to `false` once it is lost, and then changes nothing. */
export interface JobLease {
  /** As it was when the lease was given; `attempts` counts this one. */
  readonly job: JobRecord;
  /** Keeps the lease for another `leaseMs`. To be called well before that, off any busy thread. */
  renew(): Promise<{ readonly held: boolean; readonly cancelRequested: boolean }>;
  /** Whether the job was called off. Writes nothing, and costs little, however long the job's log. */
  cancelRequested(): Promise<boolean>;
  append(events: readonly JobEventBody[]): Promise<boolean>;
  complete(manifest: JobManifest): Promise<boolean>;
  /** With `retry` the job waits and comes again while attempts are left. */
  fail(error: JobError, options: { readonly retry: boolean }): Promise<boolean>;
  /** Hands the job on at once; the attempt does not count. */
  release(): Promise<boolean>;
}
