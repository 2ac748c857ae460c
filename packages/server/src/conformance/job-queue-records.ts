/** Records: what can be asked of jobs, how long they are kept, and what outlives a process. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import {
  MANIFEST,
  type Open,
  claim,
  eventsOf,
  eventually,
  everything,
  find,
  newJob,
  progress,
} from "./job-queue-fixture.ts";

export function jobsAreKept(open: Open): void {
  it("lists jobs, newest first, by owner, status and dead letters", async () => {
    const queue = await open({ maxAttempts: 1 });
    const jobs = ["a", "b", "a", "b", "a"].map((owner) => newJob({ owner }));
    for (const job of jobs) await queue.add(job);
    const id = (index: number): string => jobs[index]?.id ?? "";
    await (await claim(queue)).complete(MANIFEST);
    await (await claim(queue)).fail({ code: "io", message: "Broken." }, { retry: true });
    await (await claim(queue)).fail({ code: "no_face", message: "None." }, { retry: false });
    await claim(queue);
    const ids = async (filter: Parameters<typeof queue.list>[0]): Promise<string[]> =>
      (await queue.list(filter)).map((job) => job.id);
    expect(await ids({ limit: 10 })).toEqual([4, 3, 2, 1, 0].map(id));
    expect(await ids({ limit: 2 })).toEqual([id(4), id(3)]);
    expect(await ids({ owner: "a", limit: 10 })).toEqual([id(4), id(2), id(0)]);
    expect(await ids({ owner: "a", status: "failed", limit: 10 })).toEqual([id(2)]);
    expect(await ids({ owner: "a", limit: 1 })).toEqual([id(4)]);
    expect(await ids({ owner: "nobody", limit: 10 })).toEqual([]);
    expect(await ids({ status: "queued", limit: 10 })).toEqual([id(4)]);
    expect(await ids({ status: "processing", limit: 10 })).toEqual([id(3)]);
    expect(await ids({ status: "completed", limit: 10 })).toEqual([id(0)]);
    expect(await ids({ status: "failed", limit: 10 })).toEqual([id(2), id(1)]);
    expect(await ids({ deadLetter: true, limit: 10 })).toEqual([id(1)]);
    expect(await ids({ status: "failed", deadLetter: false, limit: 10 })).toEqual([id(2)]);
    expect(await queue.list({ status: "completed", limit: 10 })).toEqual([
      await find(queue, id(0)),
    ]);
    expect(await queue.counts()).toEqual({
      queued: 1,
      processing: 1,
      completed: 1,
      failed: 2,
      deadLetter: 1,
    });
  });

  it("counts nothing where nothing is, and jobs that wait for their next start as waiting", async () => {
    const queue = await open({ backoffMs: 60_000 });
    const none = { queued: 0, processing: 0, completed: 0, failed: 0, deadLetter: 0 };
    expect(await queue.counts()).toEqual(none);
    const { job } = await queue.add(newJob());
    await (await claim(queue)).fail({ code: "io", message: "Broken." }, { retry: true });
    expect(await queue.counts()).toEqual({ ...none, queued: 1 });
    expect(await queue.list({ status: "queued", limit: 1 })).toEqual([await find(queue, job.id)]);
  });

  it("forgets finished jobs after a while, and no others", async () => {
    const queue = await open({ retentionMs: 300 });
    const { job } = await queue.add(newJob());
    const waiting = await queue.add(newJob());
    await (await claim(queue)).complete(MANIFEST);
    await eventually(async () => {
      expect(await queue.get(job.id)).toBeUndefined();
    });
    expect(await eventsOf(queue, job.id)).toEqual([]);
    expect(await queue.list({ limit: 10 })).toEqual([waiting.job]);
  });

  it("keeps everything when it is closed and opened again", async () => {
    const store = randomUUID();
    const before = await open({}, store);
    const jobs = [0, 1, 2, 3].map((priority) => newJob({ priority }));
    for (const job of jobs) await before.add(job);
    const done = await claim(before);
    await done.append([progress(0.5)]);
    await done.complete(MANIFEST);
    const held = await claim(before);
    await held.append([progress(0.25)]);
    await before.cancel(jobs[1]?.id ?? "");
    const kept = await Promise.all(jobs.map(({ id }) => everything(before, id)));
    const counts = await before.counts();
    await before[Symbol.asyncDispose]();
    const after = await open({}, store);
    expect(await Promise.all(jobs.map(({ id }) => everything(after, id)))).toEqual(kept);
    expect(await after.counts()).toEqual(counts);
    expect((await claim(after)).job.id).toBe(jobs[0]?.id);
  });

  it("refuses work after it was disposed, and may be disposed twice", async () => {
    const queue = await open();
    await queue.add(newJob());
    const lease = await claim(queue);
    await queue[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
    const disposed = { code: "disposed" };
    await expect(queue.add(newJob())).rejects.toMatchObject(disposed);
    await expect(queue.get(lease.job.id)).rejects.toMatchObject(disposed);
    await expect(eventsOf(queue, lease.job.id)).rejects.toMatchObject(disposed);
    await expect(lease.renew()).rejects.toMatchObject(disposed);
    await expect(claim(queue)).rejects.toMatchObject(disposed);
  });
}
