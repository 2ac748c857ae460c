/**
 * A job as the fold over its log. Whoever changes a job appends a row; the order of the rows decides
 * which of them count. A row of a lease that was lost comes after the row that took it away, so
 * every reader ignores it: no store needs to know what a lease is.
 */
import type { NewJob } from "./job-queue.ts";
import type { JobError, JobEvent, JobEventBody, JobManifest, JobRecord, JobStatus } from "./job.ts";
import { CANCELLED } from "./queue-limits.ts";

interface Stamp {
  /** Milliseconds since 1970. */
  readonly at: number;
}

interface LeaseStamp extends Stamp {
  /** Of the lease that speaks, or that ends. */
  readonly token: string;
}

export type JobRow =
  | (LeaseStamp & { readonly kind: "start" })
  | (LeaseStamp & { readonly kind: "tell"; readonly events: readonly JobEventBody[] })
  /** The job waits again, until `availableAt`. */
  | (LeaseStamp & {
      readonly kind: "wait";
      readonly availableAt: number;
      readonly attemptCounts: boolean;
    })
  | (LeaseStamp & {
      readonly kind: "end";
      readonly status: "completed" | "failed";
      readonly deadLetter: boolean;
      readonly error?: JobError;
      readonly manifest?: JobManifest;
    })
  | (Stamp & { readonly kind: "cancel" });

/** What a row did: the events that it tells, or `undefined` if it does not count. */
export type RowEffect = readonly JobEvent[] | undefined;

export class JobHistory {
  /** Rows that were applied, those that do not count included. */
  rowCount = 0;
  /** Of the lease that holds the job. */
  token: string | undefined;
  availableAt = 0;
  readonly #job: NewJob;
  readonly #createdAt: number;
  #status: JobStatus = "queued";
  #updatedAt: number;
  #startedAt: number | undefined;
  #finishedAt: number | undefined;
  #attempts = 0;
  #cancelRequested = false;
  #deadLetter = false;
  #error: JobError | undefined;
  #manifest: JobManifest | undefined;
  #lastEvent = 1;

  constructor(job: NewJob, createdAt: number) {
    this.#job = job;
    this.#createdAt = createdAt;
    this.#updatedAt = createdAt;
  }

  get status(): JobStatus {
    return this.#status;
  }

  get attempts(): number {
    return this.#attempts;
  }

  get cancelRequested(): boolean {
    return this.#cancelRequested;
  }

  get deadLetter(): boolean {
    return this.#deadLetter;
  }

  get finishedAt(): number | undefined {
    return this.#finishedAt;
  }

  /** The event that every job begins with; it needs no row. */
  get firstEvent(): JobEvent {
    return {
      type: "status",
      status: "queued",
      attempt: 0,
      id: 1,
      at: new Date(this.#createdAt).toISOString(),
    };
  }

  apply(row: JobRow): RowEffect {
    this.rowCount += 1;
    if (!this.#counts(row)) return undefined;
    // Clocks of machines differ; a job's own time only goes forward.
    this.#updatedAt = Math.max(this.#updatedAt, row.at);
    switch (row.kind) {
      case "start":
        this.#status = "processing";
        this.token = row.token;
        this.#attempts += 1;
        this.#startedAt = this.#updatedAt;
        return this.#tell([this.#statusEvent()]);
      case "tell":
        return this.#tell(row.events);
      case "wait":
        if (this.#cancelRequested) return this.#end({ status: "failed", error: CANCELLED });
        this.#status = "queued";
        this.token = undefined;
        this.availableAt = row.availableAt;
        if (!row.attemptCounts) this.#attempts -= 1;
        return this.#tell([this.#statusEvent()]);
      case "end":
        return this.#end(row);
      case "cancel":
        this.#cancelRequested = true;
        return this.#status === "queued" ? this.#end({ status: "failed", error: CANCELLED }) : [];
      default:
        throw new Error(`Unknown row ${JSON.stringify(row satisfies never)}.`);
    }
  }

  #counts(row: JobRow): boolean {
    if (this.#finishedAt !== undefined) return false;
    if (row.kind === "cancel") return !this.#cancelRequested;
    if (row.kind === "start") return this.#status === "queued";
    return row.token === this.token;
  }

  #end(ending: {
    readonly status: "completed" | "failed";
    readonly deadLetter?: boolean;
    readonly error?: JobError;
    readonly manifest?: JobManifest;
  }): readonly JobEvent[] {
    this.#status = ending.status;
    this.token = undefined;
    this.#finishedAt = this.#updatedAt;
    const cancelled = this.#cancelRequested && ending.deadLetter === true;
    this.#deadLetter = !cancelled && (ending.deadLetter ?? false);
    this.#error = cancelled ? CANCELLED : ending.error;
    this.#manifest = ending.manifest;
    return this.#tell([this.#statusEvent()]);
  }

  #statusEvent(): JobEventBody {
    return { type: "status", status: this.#status, attempt: this.#attempts };
  }

  #tell(bodies: readonly JobEventBody[]): readonly JobEvent[] {
    const at = new Date(this.#updatedAt).toISOString();
    return bodies.map((body) => ({ ...body, id: (this.#lastEvent += 1), at }));
  }

  record(): JobRecord {
    const time = (value: number): string => new Date(value).toISOString();
    return {
      ...this.#job,
      status: this.#status,
      createdAt: time(this.#createdAt),
      updatedAt: time(this.#updatedAt),
      ...(this.#startedAt !== undefined && { startedAt: time(this.#startedAt) }),
      ...(this.#finishedAt !== undefined && { finishedAt: time(this.#finishedAt) }),
      attempts: this.#attempts,
      cancelRequested: this.#cancelRequested,
      deadLetter: this.#deadLetter,
      ...(this.#error && { error: this.#error }),
      ...(this.#manifest && { manifest: this.#manifest }),
    };
  }
}
