/** The rows of the SQLite queue: what each operation reads and changes, within one transaction. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { JobQueue, NewJob } from "./job-queue.ts";
import type { JobError, JobEvent, JobEventBody, JobManifest, JobRecord, JobStatus } from "./job.ts";
import {
  CANCELLED,
  type ResolvedQueueLimits,
  backoffOf,
  crashed,
  ownerFull,
  queueFull,
} from "./queue-limits.ts";

interface JobRow {
  readonly seq: number;
  readonly id: string;
  readonly status: JobStatus;
  readonly owner: string;
  readonly request: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly deadline_at: string | null;
  readonly attempts: number;
  readonly cancel_requested: number;
  readonly dead_letter: number;
  readonly last_event: number;
  readonly error: string | null;
  readonly manifest: string | null;
  readonly traceparent: string | null;
}

/** What a lease knows of itself. */
export interface LeaseKey {
  readonly id: string;
  readonly token: string;
}

interface Ending {
  readonly status: "completed" | "failed";
  readonly deadLetter?: boolean;
  readonly error?: JobError;
  readonly manifest?: JobManifest;
}

export class SqliteJobs {
  readonly #database: DatabaseSync;
  readonly #limits: ResolvedQueueLimits;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, limits: ResolvedQueueLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  insert(job: NewJob): { readonly job: JobRecord; readonly created: boolean } {
    const known = this.get(job.id);
    if (known) return { job: known, created: false };
    this.#checkLimits(job.owner);
    const now = Date.now();
    const row = this.#row(
      `INSERT INTO jobs (id, status, owner, priority, request, created_at, updated_at, available_at,
        deadline_at, traceparent)
      VALUES (?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
      job.id,
      job.owner,
      job.request.priority,
      JSON.stringify(job.request),
      now,
      now,
      now,
      job.deadlineAt ?? null,
      job.traceparent ?? null,
    ) as JobRow;
    this.#tell(row, [{ type: "status", status: "queued", attempt: 0 }], now);
    return { job: toRecord(row), created: true };
  }

  #checkLimits(owner: string): void {
    const limits = this.#limits;
    const waiting = this.#count("SELECT COUNT(*) AS n FROM jobs WHERE status = 'queued'");
    if (waiting >= limits.maxQueued) throw queueFull(waiting, limits);
    if (limits.maxUnfinishedPerOwner === Number.POSITIVE_INFINITY) return;
    const unfinished = this.#count(
      "SELECT COUNT(*) AS n FROM jobs WHERE owner = ? AND status IN ('queued', 'processing')",
      owner,
    );
    if (unfinished >= limits.maxUnfinishedPerOwner) throw ownerFull(unfinished, limits);
  }

  get(id: string): JobRecord | undefined {
    const row = this.#row("SELECT * FROM jobs WHERE id = ?", id);
    return row && toRecord(row);
  }

  list(filter: Parameters<JobQueue["list"]>[0]): readonly JobRecord[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const where = (column: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      conditions.push(`${column} = ?`);
      values.push(value);
    };
    where("owner", filter.owner);
    where("status", filter.status);
    where("dead_letter", filter.deadLetter === undefined ? undefined : Number(filter.deadLetter));
    const clause = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    const rows = this.#prepare(`SELECT * FROM jobs ${clause} ORDER BY seq DESC LIMIT ?`).all(
      ...values,
      Math.max(0, filter.limit),
    ) as unknown as readonly JobRow[];
    return rows.map((row) => toRecord(row));
  }

  counts(): Readonly<Record<JobStatus | "deadLetter", number>> {
    const counts = { queued: 0, processing: 0, completed: 0, failed: 0, deadLetter: 0 };
    const rows = this.#prepare(
      "SELECT status, dead_letter, COUNT(*) AS n FROM jobs GROUP BY status, dead_letter",
    ).all() as unknown as readonly { status: JobStatus; dead_letter: number; n: number }[];
    for (const { status, dead_letter: deadLetter, n } of rows) {
      counts[status] += n;
      if (deadLetter === 1) counts.deadLetter += n;
    }
    return counts;
  }

  cancel(id: string): JobRecord | undefined {
    const row = this.#row("SELECT * FROM jobs WHERE id = ?", id);
    if (row?.status === "queued") {
      return toRecord(this.#end(row, { status: "failed", error: CANCELLED }, true));
    }
    if (row?.status === "processing" && row.cancel_requested === 0) {
      return toRecord(
        this.#row(
          "UPDATE jobs SET cancel_requested = 1, updated_at = ? WHERE seq = ? RETURNING *",
          Date.now(),
          row.seq,
        ) as JobRow,
      );
    }
    return row && toRecord(row);
  }

  /** Whether there may be something to claim or to take back now. */
  hasDue(): boolean {
    const now = Date.now();
    return (
      this.#hasExpired(now) ||
      this.#row("SELECT * FROM jobs WHERE status = 'queued' AND available_at <= ? LIMIT 1", now) !==
        undefined
    );
  }

  /** Milliseconds until the next job is due or the next lease runs out. */
  untilDue(): number | undefined {
    const next = this.#prepare(
      `SELECT MIN(at) AS at FROM (
        SELECT MIN(available_at) AS at FROM jobs WHERE status = 'queued'
        UNION ALL SELECT MIN(lease_until) FROM jobs WHERE status = 'processing')`,
    ).get()?.["at"];
    return typeof next === "number" ? Math.max(0, next - Date.now()) : undefined;
  }

  claim(token: string): JobRecord | undefined {
    const now = Date.now();
    const row = this.#row(
      `UPDATE jobs SET status = 'processing', attempts = attempts + 1, lease_token = ?,
        lease_until = ?, started_at = ?, updated_at = ?
      WHERE seq = (SELECT seq FROM jobs WHERE status = 'queued' AND available_at <= ?
        ORDER BY priority DESC, seq LIMIT 1) RETURNING *`,
      token,
      now + this.#limits.leaseMs,
      now,
      now,
      now,
    );
    if (!row) return undefined;
    this.#tell(row, [{ type: "status", status: "processing", attempt: row.attempts }], now);
    return toRecord(row);
  }

  renew(lease: LeaseKey): { readonly held: boolean; readonly cancelRequested: boolean } {
    const held = this.#held(lease);
    if (!held) return { held: false, cancelRequested: false };
    this.#run(
      "UPDATE jobs SET lease_until = ? WHERE seq = ?",
      Date.now() + this.#limits.leaseMs,
      held.seq,
    );
    return { held: true, cancelRequested: held.cancel_requested === 1 };
  }

  cancelRequested(lease: LeaseKey): boolean {
    return this.#held(lease)?.cancel_requested === 1;
  }

  append(lease: LeaseKey, events: readonly JobEventBody[]): boolean {
    const held = this.#held(lease);
    if (held) this.#tell(held, events, Date.now());
    return held !== undefined;
  }

  complete(lease: LeaseKey, manifest: JobManifest): boolean {
    const held = this.#held(lease);
    if (held) this.#end(held, { status: "completed", manifest });
    return held !== undefined;
  }

  fail(lease: LeaseKey, error: JobError, retry: boolean): boolean {
    const held = this.#held(lease);
    if (held && retry) this.#again(held, error, backoffOf(this.#limits, held.attempts));
    else if (held) this.#end(held, { status: "failed", error });
    return held !== undefined;
  }

  release(lease: LeaseKey): boolean {
    const held = this.#held(lease);
    if (held?.cancel_requested === 1) this.#end(held, { status: "failed", error: CANCELLED });
    else if (held) this.#wait({ ...held, attempts: held.attempts - 1 }, 0);
    return held !== undefined;
  }

  #held({ id, token }: LeaseKey): JobRow | undefined {
    return this.#row(
      `SELECT * FROM jobs WHERE id = ? AND status = 'processing' AND lease_token = ?
        AND lease_until > ?`,
      id,
      token,
      Date.now(),
    );
  }

  #hasExpired(now: number): boolean {
    return (
      this.#row(
        "SELECT * FROM jobs WHERE status = 'processing' AND lease_until <= ? LIMIT 1",
        now,
      ) !== undefined
    );
  }

  /** Ids of the jobs whose lease had run out, and that now wait again or have failed. */
  expireLeases(): readonly string[] {
    const rows = this.#prepare(
      "SELECT * FROM jobs WHERE status = 'processing' AND lease_until <= ? LIMIT 100",
    ).all(Date.now()) as unknown as readonly JobRow[];
    for (const row of rows) this.#again(row, crashed(row.attempts), 0);
    return rows.map((row) => row.id);
  }

  /** Whether {@link expireLeases} or {@link removeOld} have something to do. */
  needsUpkeep(): boolean {
    const now = Date.now();
    return (
      this.#hasExpired(now) ||
      this.#row(
        "SELECT * FROM jobs WHERE finished_at <= ? LIMIT 1",
        now - this.#limits.retentionMs,
      ) !== undefined
    );
  }

  /** A few at a time, so that nobody waits long. */
  removeOld(): void {
    this.#run(
      `DELETE FROM jobs WHERE seq IN (
        SELECT seq FROM jobs WHERE finished_at <= ? ORDER BY finished_at LIMIT 50)`,
      Date.now() - this.#limits.retentionMs,
    );
  }

  events(id: string, after: number, limit: number): readonly JobEvent[] {
    const rows = this.#prepare(
      `SELECT events.id, events.at, events.body FROM events JOIN jobs ON jobs.seq = events.job
      WHERE jobs.id = ? AND events.id > ? ORDER BY events.id LIMIT ?`,
    ).all(id, after, limit) as unknown as readonly { id: number; at: number; body: string }[];
    return rows.map((row) =>
      Object.assign(JSON.parse(row.body) as JobEventBody, {
        id: row.id,
        at: new Date(row.at).toISOString(),
      }),
    );
  }

  /** Whether the job has ended, or is gone. */
  hasEnded(id: string): boolean {
    const row = this.#prepare("SELECT finished_at FROM jobs WHERE id = ?").get(id);
    return row === undefined || row["finished_at"] !== null;
  }

  /** Number of the newest event of all jobs. */
  lastEvent(): number {
    return this.#count("SELECT COALESCE(MAX(seq), 0) AS n FROM events");
  }

  /** Ids of the jobs with events after that number. */
  jobsWithEventsAfter(seq: number): readonly string[] {
    const rows = this.#prepare(
      `SELECT jobs.id FROM jobs WHERE jobs.seq IN (SELECT job FROM events WHERE seq > ?)`,
    ).all(seq) as unknown as readonly { id: string }[];
    return rows.map((row) => row.id);
  }

  /** The attempt ended in a way that may pass. */
  #again(row: JobRow, error: JobError, delayMs: number): void {
    if (row.cancel_requested === 1) this.#end(row, { status: "failed", error: CANCELLED });
    else if (row.attempts < this.#limits.maxAttempts) this.#wait(row, delayMs);
    else this.#end(row, { status: "failed", error, deadLetter: true });
  }

  #wait(row: JobRow, delayMs: number): void {
    const now = Date.now();
    this.#run(
      `UPDATE jobs SET status = 'queued', attempts = ?, available_at = ?, lease_token = NULL,
        lease_until = NULL, updated_at = ? WHERE seq = ?`,
      row.attempts,
      now + delayMs,
      now,
      row.seq,
    );
    this.#tell(row, [{ type: "status", status: "queued", attempt: row.attempts }], now);
  }

  #end(row: JobRow, ending: Ending, cancelRequested = row.cancel_requested === 1): JobRow {
    const now = Date.now();
    const { status } = ending;
    this.#tell(row, [{ type: "status", status, attempt: row.attempts }], now);
    return this.#row(
      `UPDATE jobs SET status = ?, dead_letter = ?, error = ?, manifest = ?, cancel_requested = ?,
        finished_at = ?, updated_at = ?, lease_token = NULL, lease_until = NULL
      WHERE seq = ? RETURNING *`,
      status,
      Number(ending.deadLetter ?? false),
      ending.error ? JSON.stringify(ending.error) : null,
      ending.manifest ? JSON.stringify(ending.manifest) : null,
      Number(cancelRequested),
      now,
      now,
      row.seq,
    ) as JobRow;
  }

  #tell(row: JobRow, bodies: readonly JobEventBody[], now: number): void {
    let id = row.last_event;
    for (const body of bodies) {
      id += 1;
      this.#run(
        "INSERT INTO events (job, id, at, body) VALUES (?, ?, ?, ?)",
        row.seq,
        id,
        now,
        JSON.stringify(body),
      );
    }
    this.#run("UPDATE jobs SET last_event = ?, updated_at = ? WHERE seq = ?", id, now, row.seq);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #row(sql: string, ...values: (string | number | null)[]): JobRow | undefined {
    return this.#prepare(sql).get(...values) as unknown as JobRow | undefined;
  }

  #count(sql: string, ...values: (string | number)[]): number {
    return Number(this.#prepare(sql).get(...values)?.["n"]);
  }

  #run(sql: string, ...values: (string | number | null)[]): void {
    this.#prepare(sql).run(...values);
  }
}

function toRecord(row: JobRow): JobRecord {
  const time = (value: number): string => new Date(value).toISOString();
  return {
    id: row.id,
    status: row.status,
    request: JSON.parse(row.request) as JobRecord["request"],
    owner: row.owner,
    createdAt: time(row.created_at),
    updatedAt: time(row.updated_at),
    ...(row.started_at !== null && { startedAt: time(row.started_at) }),
    ...(row.finished_at !== null && { finishedAt: time(row.finished_at) }),
    attempts: row.attempts,
    ...(row.deadline_at !== null && { deadlineAt: row.deadline_at }),
    cancelRequested: row.cancel_requested === 1,
    deadLetter: row.dead_letter === 1,
    ...(row.error !== null && { error: JSON.parse(row.error) as JobError }),
    ...(row.manifest !== null && { manifest: JSON.parse(row.manifest) as JobManifest }),
    ...(row.traceparent !== null && { traceparent: row.traceparent }),
  };
}
