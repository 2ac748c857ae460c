/** What every `JobQueue` must do, as a vitest suite. */
import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import type { JobQueue } from "../jobs/job-queue.ts";
import { eventsAreTold } from "./job-queue-events.ts";
import {
  type JobQueueConformanceOptions,
  type Open,
  claim,
  eventsOf,
  expectNothing,
  find,
  newJob,
} from "./job-queue-fixture.ts";
import { leasesHold } from "./job-queue-leases.ts";
import { jobsAreKept } from "./job-queue-records.ts";

/** Checks a queue against the contract of `JobQueue`. */
export function jobQueueConformance(name: string, options: JobQueueConformanceOptions): void {
  const title = `${name} conforms to JobQueue`;
  const { skip } = options;
  describe.skipIf(skip !== undefined)(skip === undefined ? title : `${title} (${skip})`, () => {
    const open = useQueues(options);
    describe("adding", () => {
      takesJobs(open);
      limits(open);
    });
    describe("claiming", () => {
      givesJobs(open);
    });
    describe("leases", () => {
      leasesHold(open);
    });
    describe("events", () => {
      eventsAreTold(open);
    });
    describe("records", () => {
      jobsAreKept(open);
    });
  });
}

/** Opens queues, each on a store of its own unless one is named, and disposes them after the test. */
function useQueues(options: JobQueueConformanceOptions): Open {
  const queues: JobQueue[] = [];
  afterEach(async () => {
    for (const queue of queues.splice(0)) await queue[Symbol.asyncDispose]();
  });
  return async (values = {}, store = randomUUID()) => {
    const queue = await options.open(store, values);
    queues.push(queue);
    return queue;
  };
}

function takesJobs(open: Open): void {
  it("keeps what it is given", async () => {
    const queue = await open();
    const job = newJob({
      owner: "key-7",
      priority: 3,
      deadlineAt: "2099-01-01T00:00:00.000Z",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    });
    const { job: record, created } = await queue.add(job);
    expect(created).toBe(true);
    expect(record).toEqual({
      ...job,
      status: "queued",
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      attempts: 0,
      cancelRequested: false,
      deadLetter: false,
    });
    expect(await queue.get(job.id)).toEqual(record);
  });

  it("knows nothing of a job that was never added", async () => {
    const queue = await open();
    expect(await queue.get(randomUUID())).toBeUndefined();
    expect(await queue.cancel(randomUUID())).toBeUndefined();
    expect(await eventsOf(queue, randomUUID())).toEqual([]);
  });

  it("adds a job of one id once, however often it is asked", async () => {
    const store = randomUUID();
    const queues = [await open({}, store), await open({}, store)];
    const job = newJob();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (queues[index % 2] as JobQueue).add({ ...job, owner: `owner-${index}` }),
      ),
    );
    const first = answers.find(({ created }) => created);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.job.owner))).toEqual(new Set([first?.job.owner]));
    expect(await (queues[0] as JobQueue).list({ limit: 10 })).toHaveLength(1);
    expect(await eventsOf(queues[1] as JobQueue, job.id)).toHaveLength(1);
  });

  it("returns a job that was added before, though the queue is full or the job is done", async () => {
    const queue = await open({ maxQueued: 1 });
    const job = newJob();
    await queue.add(job);
    expect((await queue.add(job)).created).toBe(false);
    await queue.cancel(job.id);
    const again = await queue.add(job);
    expect(again.created).toBe(false);
    expect(again.job.status).toBe("failed");
    expect(await eventsOf(queue, job.id)).toHaveLength(2);
  });

  it("does not act on deadlines", async () => {
    const queue = await open();
    const job = newJob({ deadlineAt: "2001-01-01T00:00:00.000Z" });
    await queue.add(job);
    expect((await claim(queue)).job.deadlineAt).toBe(job.deadlineAt);
  });
}

/** How many of these additions were taken; the others must have been refused as they should be. */
async function accepted(additions: readonly Promise<unknown>[]): Promise<number> {
  const results = await Promise.allSettled(additions);
  for (const result of results) {
    if (result.status === "rejected") {
      expect(result.reason).toMatchObject({
        code: "exhausted",
        hint: expect.any(String) as string,
      });
    }
  }
  return results.filter(({ status }) => status === "fulfilled").length;
}

function limits(open: Open): void {
  it("takes as many waiting jobs as the limit says, over all handles", async () => {
    const store = randomUUID();
    const first = await open({ maxQueued: 5 }, store);
    const second = await open({ maxQueued: 5 }, store);
    const additions = Array.from({ length: 24 }, (_, index) =>
      (index % 2 === 0 ? first : second).add(newJob()),
    );
    expect(await accepted(additions)).toBe(5);
    expect((await first.counts()).queued).toBe(5);
    await claim(second);
    expect(await accepted([first.add(newJob())])).toBe(1);
    expect(await accepted([second.add(newJob())])).toBe(0);
  });

  it("takes as many unfinished jobs of one owner as the limit says", async () => {
    const queue = await open({ maxUnfinishedPerOwner: 3 });
    const additions = Array.from({ length: 12 }, () => queue.add(newJob({ owner: "one" })));
    expect(await accepted(additions)).toBe(3);
    expect(await accepted([queue.add(newJob({ owner: "another" }))])).toBe(1);
    const lease = await claim(queue);
    expect(lease.job.owner).toBe("one");
    expect(await accepted([queue.add(newJob({ owner: "one" }))])).toBe(0);
    await lease.fail({ code: "no_face", message: "No face." }, { retry: false });
    expect(await accepted([queue.add(newJob({ owner: "one" }))])).toBe(1);
    expect(await accepted([queue.add(newJob({ owner: "one" }))])).toBe(0);
    const waiting = (await queue.list({ owner: "one", status: "queued", limit: 1 }))[0];
    await queue.cancel(waiting?.id ?? "");
    expect(await accepted([queue.add(newJob({ owner: "one" }))])).toBe(1);
  });
}

function givesJobs(open: Open): void {
  it("gives higher priorities first, and older jobs before younger ones", async () => {
    const queue = await open();
    const jobs = [0, 9, 0, 1, 9, 1].map((priority) => newJob({ priority }));
    for (const job of jobs) await queue.add(job);
    const ids: string[] = [];
    for (const _ of jobs) ids.push((await claim(queue)).job.id);
    expect(ids).toEqual([1, 4, 3, 5, 0, 2].map((index) => jobs[index]?.id));
  });

  it("says in the record that it was started", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    const lease = await claim(queue);
    expect(lease.job).toMatchObject({ id: job.id, status: "processing", attempts: 1 });
    expect(Date.parse(lease.job.startedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(job.createdAt));
    expect(await find(queue, job.id)).toEqual(lease.job);
  });

  it("waits for a job that another handle adds", async () => {
    const store = randomUUID();
    const producer = await open({}, store);
    const worker = await open({}, store);
    const claiming = claim(worker);
    await expectNothing(producer, 100);
    const job = newJob();
    await producer.add(job);
    expect((await claiming).job.id).toBe(job.id);
  });

  it("ends the wait when it is called off, and takes nothing then", async () => {
    const queue = await open();
    const controller = new AbortController();
    const claims = [1, 2, 3].map(() => queue.claim({ signal: controller.signal }));
    controller.abort();
    expect(await Promise.all(claims)).toEqual([undefined, undefined, undefined]);
    const { job } = await queue.add(newJob());
    expect(await queue.claim({ signal: AbortSignal.abort() })).toBeUndefined();
    expect(await find(queue, job.id)).toMatchObject({ status: "queued", attempts: 0 });
    expect((await claim(queue)).job).toMatchObject({ id: job.id, attempts: 1 });
  });

  it("gives each job once to many that claim at the same time", async () => {
    const store = randomUUID();
    const queues = [await open({}, store), await open({}, store)];
    const jobs = Array.from({ length: 30 }, () => newJob());
    const claims = Array.from({ length: jobs.length }, (_, index) =>
      claim(queues[index % 2] as JobQueue),
    );
    await Promise.all(jobs.map((job, index) => (queues[index % 2] as JobQueue).add(job)));
    const claimed = (await Promise.all(claims)).map((lease) => lease.job.id);
    expect(claimed.sort()).toEqual(jobs.map(({ id }) => id).sort());
    await expectNothing(queues[0] as JobQueue, 100);
  });
}
