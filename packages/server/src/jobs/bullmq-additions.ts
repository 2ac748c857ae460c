/** Additions to the queue over BullMQ: within the limits, in batches, one process at a time. */
import type { Queue } from "bullmq";
import { type BullmqJobs, type IdList, listOfOwner } from "./bullmq-jobs.ts";
import { JobHistory } from "./job-history.ts";
import type { NewJob } from "./job-queue.ts";
import type { JobRecord } from "./job.ts";
import { type ResolvedQueueLimits, ownerFull, queueFull } from "./queue-limits.ts";

/** The queue of BullMQ knows 1, the highest, to 2^21; 1 is for jobs that only need to be put away. */
export const HIGHEST_PRIORITY = 1;
const LOWEST_PRIORITY = 11;
const BATCH = 200;

export interface Added {
  readonly job: JobRecord;
  readonly created: boolean;
}

interface Addition {
  readonly job: NewJob;
  /** Whoever asked has been told that it failed. */
  abandoned: boolean;
  readonly added: Promise<Added>;
  readonly resolve: (added: Added) => void;
  readonly reject: (reason: unknown) => void;
}

export class BullmqAdditions {
  readonly #queue: Queue;
  readonly #jobs: BullmqJobs;
  readonly #limits: ResolvedQueueLimits;
  readonly #exclusively: (work: () => Promise<void>) => Promise<void>;
  #pending: Addition[] = [];
  #running: Promise<void> | undefined;

  constructor(options: {
    readonly queue: Queue;
    readonly jobs: BullmqJobs;
    readonly limits: ResolvedQueueLimits;
    readonly exclusively: (work: () => Promise<void>) => Promise<void>;
  }) {
    this.#queue = options.queue;
    this.#jobs = options.jobs;
    this.#limits = options.limits;
    this.#exclusively = options.exclusively;
  }

  /** `abandon` keeps the job from being added later, if it is called before it was. */
  add(job: NewJob): { readonly added: Promise<Added>; readonly abandon: () => void } {
    const { promise: added, resolve, reject } = Promise.withResolvers<Added>();
    const addition: Addition = { job, abandoned: false, added, resolve, reject };
    this.#pending.push(addition);
    this.#running ??= this.#run();
    return {
      added,
      abandon: () => {
        addition.abandoned = true;
      },
    };
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      // What is asked for in one turn is added at once.
      await Promise.resolve();
      let batch: Addition[] = [];
      try {
        await this.#exclusively(async () => {
          batch = this.#pending.splice(0, BATCH);
          await this.#addBatch(batch);
        });
      } catch (error) {
        if (batch.length === 0) batch = this.#pending.splice(0);
        for (const addition of batch) addition.reject(error);
      }
    }
    this.#running = undefined;
  }

  async #addBatch(batch: readonly Addition[]): Promise<void> {
    const repeated = await this.#answerRepeated(batch);
    const accepted = await this.#withinLimits(batch.filter((addition) => !repeated.has(addition)));
    const jobs = accepted.map(({ job }) => job);
    // Ids first: of one that was never added there is nothing to be seen.
    await this.#list("all", jobs);
    for (const [owner, owned] of Object.entries(Object.groupBy(jobs, ({ owner: name }) => name))) {
      await this.#list(listOfOwner("owner", owner), owned ?? []);
      if (Number.isFinite(this.#limits.maxUnfinishedPerOwner)) {
        await this.#list(listOfOwner("unfinished", owner), owned ?? []);
      }
    }
    // Meanwhile some may have been told that theirs could not be added.
    const wanted = accepted.filter(({ abandoned }) => !abandoned);
    if (wanted.length === 0) return;
    const added = await this.#queue.addBulk(
      wanted.map(({ job }) => ({ name: "job", data: job, opts: optionsOf(job) })),
    );
    for (const [index, { job, resolve }] of wanted.entries()) {
      const createdAt = added[index]?.timestamp ?? Date.now();
      resolve({ job: new JobHistory(job, createdAt).record(), created: true });
    }
  }

  async #list(list: IdList, jobs: readonly NewJob[]): Promise<void> {
    if (jobs.length > 0) {
      await this.#jobs.addToList(
        list,
        jobs.map(({ id }) => id),
      );
    }
  }

  /** Those that are there already, or asked for twice at once. */
  async #answerRepeated(batch: readonly Addition[]): Promise<ReadonlySet<Addition>> {
    const repeated = new Set<Addition>();
    const firsts = new Map<string, Addition>();
    for (const addition of batch) {
      const first = firsts.get(addition.job.id);
      if (first) {
        repeated.add(addition);
        first.added.then(({ job }) => {
          addition.resolve({ job, created: false });
        }, addition.reject);
      } else {
        firsts.set(addition.job.id, addition);
      }
    }
    await Promise.all(
      [...firsts.values()].map(async (addition) => {
        if (await this.#answer(addition)) repeated.add(addition);
      }),
    );
    return repeated;
  }

  /** Whether the job is there to be answered with. */
  async #answer({ job, resolve }: Addition): Promise<boolean> {
    const history = await this.#jobs.read(job.id);
    if (history) resolve({ job: history.record(), created: false });
    return history !== undefined;
  }

  async #withinLimits(additions: readonly Addition[]): Promise<readonly Addition[]> {
    if (additions.length === 0) return [];
    let waiting = await countWaiting(this.#queue);
    const unfinished = await this.#countUnfinished(additions);
    const accepted: Addition[] = [];
    for (const addition of additions) {
      const { owner } = addition.job;
      const owned = unfinished.get(owner) ?? 0;
      if (addition.abandoned) continue;
      if (waiting >= this.#limits.maxQueued) {
        addition.reject(queueFull(waiting, this.#limits));
      } else if (owned >= this.#limits.maxUnfinishedPerOwner) {
        addition.reject(ownerFull(owned, this.#limits));
      } else {
        accepted.push(addition);
        waiting += 1;
        unfinished.set(owner, owned + 1);
      }
    }
    return accepted;
  }

  /** By owner; not less than there are, and exact where that decides. */
  async #countUnfinished(additions: readonly Addition[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    const limit = this.#limits.maxUnfinishedPerOwner;
    if (!Number.isFinite(limit)) return counts;
    for (const [owner, wanted = []] of Object.entries(
      Object.groupBy(additions, ({ job }) => job.owner),
    )) {
      const list = listOfOwner("unfinished", owner);
      const listed = await this.#jobs.allIdsOf(list);
      const enough = listed.length + wanted.length <= limit;
      counts.set(owner, enough ? listed.length : await this.#forgetFinished(list, listed));
    }
    return counts;
  }

  /** Number of jobs that are left. */
  async #forgetFinished(list: IdList, listed: readonly string[]): Promise<number> {
    const histories = await Promise.all(listed.map((id) => this.#jobs.read(id)));
    const unfinished = listed.filter((_, index) => {
      const history = histories[index];
      return history !== undefined && history.finishedAt === undefined;
    });
    if (unfinished.length < listed.length) await this.#jobs.replaceList(list, unfinished);
    return unfinished.length;
  }
}

export async function countWaiting(queue: Queue): Promise<number> {
  const counts = await queue.getJobCounts("waiting", "prioritized", "delayed");
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function optionsOf(job: NewJob): { readonly jobId: string; readonly priority: number } {
  return { jobId: job.id, priority: LOWEST_PRIORITY - job.request.priority };
}
