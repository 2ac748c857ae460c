/** Leases: the right to work on a job, how it is lost, and what becomes of the job. */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import type { JobError } from "../jobs/job.ts";
import {
  MANIFEST,
  type Open,
  claim,
  eventsOf,
  eventually,
  expectLost,
  expectNothing,
  find,
  newJob,
  progress,
  statusesOf,
} from "./job-queue-fixture.ts";

/** Short, for leases that are to run out. */
const LEASE_MS = 1000;
const PASSING: JobError = { code: "network", message: "The source did not answer.", hint: "Wait." };

export function leasesHold(open: Open): void {
  areRenewedAndLost(open);
  endJobs(open);
  areHandedBack(open);
  areCalledOff(open);
}

function areRenewedAndLost(open: Open): void {
  it("holds a lease as long as it is renewed", async () => {
    const store = randomUUID();
    const holder = await open({ leaseMs: 1500 }, store);
    const other = await open({ leaseMs: 1500 }, store);
    await holder.add(newJob());
    const lease = await claim(holder);
    const rival = other.claim({ signal: AbortSignal.timeout(2500) });
    for (let turn = 0; turn < 7; turn++) {
      await setTimeout(300);
      expect(await lease.renew()).toEqual({ held: true, cancelRequested: false });
    }
    expect(await rival).toBeUndefined();
    expect(await lease.complete(MANIFEST)).toBe(true);
  });

  it("gives a job on when its lease has run out, and the old lease changes nothing", async () => {
    const store = randomUUID();
    const dying = await open({ leaseMs: LEASE_MS }, store);
    const { job } = await dying.add(newJob());
    const lost = await claim(dying);
    expect(await lost.append([progress(0.5)])).toBe(true);
    // With the longer lease of this handle the second holder need not hurry.
    const heir = await open({ leaseMs: 4 * LEASE_MS }, store);
    const lease = await claim(heir);
    expect(lease.job).toMatchObject({ id: job.id, status: "processing", attempts: 2 });
    await expectLost(lost, heir);
    expect(await lease.append([progress(0.75)])).toBe(true);
    expect((await lease.renew()).held).toBe(true);
    expect(await lease.complete(MANIFEST)).toBe(true);
    await expectLost(lost, heir);
    const statuses = statusesOf(await eventsOf(heir, job.id));
    expect(statuses.filter((status) => !status.startsWith("queued"))).toEqual([
      "processing 1",
      "processing 2",
      "completed 2",
    ]);
  });

  it("loses a lease that ran out, though nobody has taken the job over", async () => {
    const queue = await open({ leaseMs: LEASE_MS });
    const { job } = await queue.add(newJob());
    const lost = await claim(queue);
    await setTimeout(LEASE_MS + 100);
    expect(await lost.append([progress(0.5)])).toBe(false);
    expect(await lost.complete(MANIFEST)).toBe(false);
    expect((await claim(queue)).job).toMatchObject({ id: job.id, attempts: 2 });
  });

  it("gives up a job that has killed each of its attempts, and goes on with the next", async () => {
    const queue = await open({ leaseMs: LEASE_MS, maxAttempts: 2 });
    const { job } = await queue.add(newJob());
    expect((await claim(queue)).job).toMatchObject({ id: job.id, attempts: 1 });
    await eventually(async () => {
      expect((await find(queue, job.id)).status).toBe("queued");
    });
    expect((await claim(queue)).job).toMatchObject({ id: job.id, attempts: 2 });
    // Not before: PostgreSQL passes over a job that is being written to, and gives the next one.
    const next = await queue.add(newJob());
    expect((await claim(queue)).job.id).toBe(next.job.id);
    await eventually(async () => {
      expect(await find(queue, job.id)).toMatchObject({
        status: "failed",
        attempts: 2,
        deadLetter: true,
        error: { code: "crashed" },
        finishedAt: expect.any(String) as string,
      });
    });
    expect(statusesOf(await eventsOf(queue, job.id)).at(-1)).toBe("failed 2");
  });
}

function endJobs(open: Open): void {
  it("completes a job with its manifest", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    const lease = await claim(queue);
    expect(await lease.complete(MANIFEST)).toBe(true);
    const done = await find(queue, job.id);
    expect(done).toEqual({
      ...lease.job,
      status: "completed",
      updatedAt: done.updatedAt,
      finishedAt: expect.any(String) as string,
      manifest: MANIFEST,
    });
    await expectLost(lease, queue);
    await expectNothing(queue);
  });

  it("fails a job for good", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    const lease = await claim(queue);
    const error: JobError = { code: "no_face", message: "No face in any frame." };
    expect(await lease.fail(error, { retry: false })).toBe(true);
    expect(await find(queue, job.id)).toMatchObject({
      status: "failed",
      attempts: 1,
      deadLetter: false,
      error,
      finishedAt: expect.any(String) as string,
    });
    await expectLost(lease, queue);
    await expectNothing(queue);
  });

  it("starts a job that failed in passing again, later each time, until it is a dead letter", async () => {
    const backoffMs = 300;
    const queue = await open({ backoffMs, maxAttempts: 3 });
    const { job } = await queue.add(newJob());
    for (const attempt of [1, 2]) {
      const lease = await claim(queue);
      expect(lease.job.attempts).toBe(attempt);
      const failedAt = Date.now();
      expect(await lease.fail(PASSING, { retry: true })).toBe(true);
      expect(await find(queue, job.id)).toMatchObject({ status: "queued", attempts: attempt });
      await expectLost(lease, queue);
      const again = await claim(queue);
      // Timers may be a few milliseconds early.
      expect(Date.now() - failedAt).toBeGreaterThan(backoffMs * attempt - 20);
      expect(await again.release()).toBe(true);
    }
    const last = await claim(queue);
    expect(last.job.attempts).toBe(3);
    expect(await last.fail(PASSING, { retry: true })).toBe(true);
    expect(await find(queue, job.id)).toMatchObject({
      status: "failed",
      deadLetter: true,
      attempts: 3,
      error: PASSING,
    });
    await expectLost(last, queue);
    await expectNothing(queue);
  });
}

function areHandedBack(open: Open): void {
  it("hands a job on at once without counting the attempt", async () => {
    const store = randomUUID();
    const queue = await open({ maxAttempts: 2, backoffMs: 60_000 }, store);
    const other = await open({ maxAttempts: 2, backoffMs: 60_000 }, store);
    const { job } = await queue.add(newJob());
    for (let turn = 0; turn < 4; turn++) {
      const lease = await claim(turn % 2 === 0 ? queue : other);
      expect(lease.job.attempts).toBe(1);
      expect(await lease.release()).toBe(true);
      expect(await find(queue, job.id)).toMatchObject({ status: "queued", attempts: 0 });
      await expectLost(lease, queue);
    }
    const lease = await claim(other);
    expect(lease.job.attempts).toBe(1);
    expect(await lease.complete(MANIFEST)).toBe(true);
  });

  it("does not lose the place of a job that is handed on", async () => {
    const queue = await open();
    const jobs = [newJob(), newJob(), newJob({ priority: 1 })];
    for (const job of jobs) await queue.add(job);
    const urgent = await claim(queue);
    const first = await claim(queue);
    await first.release();
    await urgent.release();
    expect((await claim(queue)).job.id).toBe(jobs[2]?.id);
    expect((await claim(queue)).job.id).toBe(jobs[0]?.id);
    expect((await claim(queue)).job.id).toBe(jobs[1]?.id);
  });
}

function areCalledOff(open: Open): void {
  const cancelled = { status: "failed", deadLetter: false, error: { code: "cancelled" } } as const;

  it("ends a waiting job at once when it is cancelled", async () => {
    const queue = await open({ backoffMs: 60_000 });
    const { job } = await queue.add(newJob());
    expect(await queue.cancel(job.id)).toMatchObject({ id: job.id, ...cancelled });
    const ended = await find(queue, job.id);
    expect(ended).toMatchObject({ ...cancelled, finishedAt: expect.any(String) as string });
    expect(statusesOf(await eventsOf(queue, job.id))).toEqual(["queued 0", "failed 0"]);
    expect(await queue.cancel(job.id)).toEqual(ended);
    const retried = await queue.add(newJob());
    await (await claim(queue)).fail(PASSING, { retry: true });
    expect(await queue.cancel(retried.job.id)).toMatchObject({ attempts: 1, ...cancelled });
    await expectNothing(queue);
  });

  it("tells the holder that a job was cancelled, and leaves the end to it", async () => {
    const store = randomUUID();
    const worker = await open({}, store);
    const other = await open({}, store);
    const { job } = await other.add(newJob());
    const lease = await claim(worker);
    expect(await lease.renew()).toEqual({ held: true, cancelRequested: false });
    expect(await lease.cancelRequested()).toBe(false);
    expect(await other.cancel(job.id)).toMatchObject({
      status: "processing",
      cancelRequested: true,
    });
    expect(await find(worker, job.id)).toMatchObject({
      status: "processing",
      cancelRequested: true,
    });
    expect(await lease.cancelRequested()).toBe(true);
    expect(await lease.renew()).toEqual({ held: true, cancelRequested: true });
    expect(await lease.append([progress(0.5)])).toBe(true);
    expect(await lease.cancelRequested()).toBe(true);
    const error: JobError = { code: "cancelled", message: "The job was cancelled." };
    expect(await lease.fail(error, { retry: false })).toBe(true);
    expect(await find(other, job.id)).toMatchObject({ ...cancelled, error });
    const ended = await find(other, job.id);
    expect(await other.cancel(job.id)).toEqual(ended);
  });

  it.each(["fail", "release", "die"] as const)(
    "does not start a cancelled job again if its holders %s",
    async (end) => {
      const queue = await open({ leaseMs: end === "die" ? LEASE_MS : 10_000, backoffMs: 0 });
      const { job } = await queue.add(newJob());
      const lease = await claim(queue);
      await queue.cancel(job.id);
      if (end === "fail") expect(await lease.fail(PASSING, { retry: true })).toBe(true);
      if (end === "release") expect(await lease.release()).toBe(true);
      if (end !== "die") await expectNothing(queue);
      await eventually(async () => {
        expect(await find(queue, job.id)).toMatchObject(cancelled);
      });
      await expectNothing(queue);
    },
  );

  it("completes a cancelled job that was done before its holder saw it", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    const lease = await claim(queue);
    await queue.cancel(job.id);
    expect(await lease.complete(MANIFEST)).toBe(true);
    expect((await find(queue, job.id)).status).toBe("completed");
  });
}
