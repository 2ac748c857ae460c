/** What the queue over BullMQ keeps of jobs: their data and logs, and lists of their ids. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Job, Queue } from "bullmq";
import { JobHistory, type JobRow } from "./job-history.ts";
import type { NewJob } from "./job-queue.ts";
import type { JobEvent } from "./job.ts";

/** Rows that are read at once. */
const PAGE = 500;
/** How many additions a list of ids goes back; each is of one job or more. */
const LISTED = 100_000;
/** PostgreSQL's answer to two that append to one log at the same moment; the later tries again. */
const UNIQUE_VIOLATION = "23505";

/** A list of job ids, kept as the log of a job of its own that nobody works on. */
export type IdList = "all" | "dead" | `owner-${string}` | `unfinished-${string}`;

export function listOfOwner<T extends "owner" | "unfinished">(
  kind: T,
  owner: string,
): `${T}-${string}` {
  // Owners may hold any character, ids may not.
  return `${kind}-${createHash("sha256").update(owner).digest("hex")}`;
}

/** Has work done, and sees to the time and the error of its answer. */
export type Answer = <T>(work: () => Promise<T>) => Promise<T>;

interface RowPage {
  readonly rows: readonly JobRow[];
  readonly complete: boolean;
  readonly exists: boolean;
}

export class BullmqJobs {
  readonly #queue: Queue;
  readonly #lists: Queue;
  readonly #askedJobs = new Map<string, Promise<Job | undefined>>();
  readonly #askedRows = new Map<string, Promise<RowPage>>();
  readonly #knownLists = new Set<IdList>();

  constructor(queue: Queue, lists: Queue) {
    this.#queue = queue;
    this.#lists = lists;
  }

  /** The history of a job without its rows. */
  async begin(id: string): Promise<JobHistory | undefined> {
    const job = await this.#find(id);
    return job && new JobHistory(job.data as NewJob, job.timestamp);
  }

  async read(id: string): Promise<JobHistory | undefined> {
    const job = await this.#find(id);
    if (!job) return undefined;
    const history = new JobHistory(job.data as NewJob, job.timestamp);
    await this.catchUp(id, history);
    // An old job may be removed between the two looks.
    const removed = job.finishedOn !== undefined && history.finishedAt === undefined;
    return removed ? undefined : history;
  }

  #find(id: string): Promise<Job | undefined> {
    return this.#shared(this.#askedJobs, id, () => this.#queue.getJob(id));
  }

  /** Applies the rows that came since, in full; `false` if the job is gone. */
  async catchUp(id: string, history: JobHistory): Promise<boolean> {
    for (;;) {
      const page = await this.nextRows(id, history.rowCount);
      for (const row of page.rows) history.apply(row);
      if (page.complete) return page.exists;
    }
  }

  /** Rows from `start` on; not all of them unless `complete`. */
  nextRows(id: string, start: number): Promise<RowPage> {
    return this.#shared(this.#askedRows, `${id} ${start}`, () => this.#readRows(id, start));
  }

  /** Many may follow one job: those that ask in one turn share what is read after it. */
  #shared<T>(asked: Map<string, Promise<T>>, key: string, read: () => Promise<T>): Promise<T> {
    const known = asked.get(key);
    if (known) return known;
    const answer = setImmediate().then(() => {
      asked.delete(key);
      return read();
    });
    asked.set(key, answer);
    return answer;
  }

  async #readRows(id: string, start: number): Promise<RowPage> {
    const { logs, count } = await this.#queue.getJobLogs(id, start, start + PAGE - 1);
    return {
      rows: logs.map((log) => JSON.parse(log) as JobRow),
      complete: logs.length < PAGE,
      exists: count >= start,
    };
  }

  /**
   * Appends a row and applies it, and those that came before it, to `history`. Says whether the row
   * counts, or `undefined` if the job is gone.
   */
  async append(id: string, row: JobRow, history: JobHistory): Promise<boolean | undefined> {
    const position = await this.#appendRow(this.#queue, id, JSON.stringify(row));
    if (position === undefined) return undefined;
    // What stands before it decides whether it counts.
    while (history.rowCount < position - 1) {
      const page = await this.nextRows(id, history.rowCount);
      for (const earlier of page.rows.slice(0, position - 1 - history.rowCount)) {
        history.apply(earlier);
      }
      if (page.rows.length === 0) return undefined;
    }
    const effect = history.apply(row);
    // Tells those that follow, in all processes.
    await this.#queue.updateJobProgress(id, position).catch(() => undefined);
    return effect !== undefined;
  }

  /** Number of rows now, or `undefined` if there is no such job. */
  async #appendRow(
    queue: Queue,
    id: string,
    row: string,
    keep?: number,
  ): Promise<number | undefined> {
    for (;;) {
      try {
        return await queue.addJobLog(id, row, keep);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        if (code === UNIQUE_VIOLATION) continue;
        if (code === -1) return undefined;
        throw error;
      }
    }
  }

  async addToList(list: IdList, ids: readonly string[]): Promise<void> {
    if (!this.#knownLists.has(list)) {
      await this.#lists.add("list", {}, { jobId: list });
      this.#knownLists.add(list);
    }
    await this.#appendRow(this.#lists, list, JSON.stringify(ids), LISTED);
  }

  /** Ids in pages, newest first; each page is asked for by `answer`. */
  async *idsOf(
    list: IdList,
    answer: Answer = (work) => work(),
  ): AsyncGenerator<readonly string[], void, undefined> {
    for (let start = 0; ; start += PAGE) {
      const read = () => this.#lists.getJobLogs(list, start, start + PAGE - 1, false);
      const { logs } = await answer(read);
      const ids = logs.flatMap((log) => (JSON.parse(log) as readonly string[]).toReversed());
      if (ids.length > 0) yield ids;
      if (logs.length < PAGE) return;
    }
  }

  /** Each once. */
  async allIdsOf(list: IdList): Promise<readonly string[]> {
    const ids = new Set<string>();
    for await (const page of this.idsOf(list)) for (const id of page) ids.add(id);
    return [...ids];
  }

  /** Leaves of a list what is given. Only where nobody else appends meanwhile. */
  async replaceList(list: IdList, ids: readonly string[]): Promise<void> {
    const job = await this.#lists.getJob(list);
    await job?.remove();
    this.#knownLists.delete(list);
    await this.addToList(list, ids);
  }
}

/** When those that follow look again although nobody has told them to. */
const LOOK_MS = { soonest: 1000, latest: 10_000 };

/** The events of a job from its own rows, as they come. */
export class EventReader {
  /**
   * How long to wait at most before the next look. Changes are told, and only a word that was lost is
   * made up for by looking: the longer nothing came, the later.
   */
  waitMs: number = LOOK_MS.soonest;
  readonly #jobs: Pick<BullmqJobs, "begin" | "nextRows">;
  readonly #id: string;
  #history: JobHistory | undefined;

  constructor(jobs: Pick<BullmqJobs, "begin" | "nextRows">, id: string) {
    this.#jobs = jobs;
    this.#id = id;
  }

  /** The next events, and whether there can be no more after them for now. */
  async next(): Promise<{ readonly events: readonly JobEvent[]; readonly complete: boolean }> {
    if (!this.#history) {
      this.#history = await this.#jobs.begin(this.#id);
      return this.#history
        ? { events: [this.#history.firstEvent], complete: false }
        : { events: [], complete: true };
    }
    const history = this.#history;
    const page = await this.#jobs.nextRows(this.#id, history.rowCount);
    const events = page.rows.flatMap((row) => history.apply(row) ?? []);
    this.#gone = !page.exists;
    this.waitMs =
      page.rows.length > 0 ? LOOK_MS.soonest : Math.min(2 * this.waitMs, LOOK_MS.latest);
    return { events, complete: page.complete };
  }

  #gone = false;

  /** Nothing will ever come again. */
  get ended(): boolean {
    return this.#gone || this.#history?.finishedAt !== undefined || this.#history === undefined;
  }
}
