/** Events: what is told of a job, to those that come early, late, and in crowds. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import type { JobEventBody } from "../jobs/job.ts";
import {
  MANIFEST,
  type Open,
  claim,
  collect,
  eventsOf,
  newJob,
  progress,
  statusesOf,
} from "./job-queue-fixture.ts";

const LOG: JobEventBody = { type: "log", level: "warn", message: "Gesicht fehlt:\n“3 Bilder”" };

export function eventsAreTold(open: Open): void {
  it("tells the life of a job in order, from event 1 on", async () => {
    const queue = await open({ backoffMs: 0 });
    const { job } = await queue.add(newJob());
    const first = await claim(queue);
    await first.append([progress(0.25), LOG]);
    await first.append([]);
    await first.fail({ code: "network", message: "No answer." }, { retry: true });
    const second = await claim(queue);
    await second.append([progress(0.5)]);
    await second.complete(MANIFEST);
    const events = await eventsOf(queue, job.id);
    expect(events).toMatchObject([
      { type: "status", status: "queued", attempt: 0 },
      { type: "status", status: "processing", attempt: 1 },
      progress(0.25),
      LOG,
      { type: "status", status: "queued", attempt: 1 },
      { type: "status", status: "processing", attempt: 2 },
      progress(0.5),
      { type: "status", status: "completed", attempt: 2 },
    ]);
    expect(events.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const times = events.map(({ at }) => Date.parse(at));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(await eventsOf(queue, job.id, 6)).toEqual(events.slice(6));
    expect(await eventsOf(queue, job.id, 8)).toEqual([]);
  });

  it("ends after what is stored unless it is to follow", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    expect(statusesOf(await eventsOf(queue, job.id))).toEqual(["queued 0"]);
  });

  it("tells stored and new events to those that follow from any handle, and ends", async () => {
    const store = randomUUID();
    const worker = await open({}, store);
    const watcher = await open({}, store);
    const { job } = await worker.add(newJob());
    const following = [worker, watcher].map((queue) =>
      collect(queue.events(job.id, { follow: true })),
    );
    const late = collect(watcher.events(job.id, { follow: true, after: 3 }));
    const lease = await claim(worker);
    for (let part = 1; part <= 20; part++) {
      expect(await lease.append([progress(part / 20), LOG])).toBe(true);
    }
    await lease.complete(MANIFEST);
    const events = await eventsOf(watcher, job.id);
    expect(events).toHaveLength(1 + 1 + 40 + 1);
    expect(await Promise.all(following)).toEqual([events, events]);
    expect(await late).toEqual(events.slice(3));
    expect(await collect(worker.events(job.id, { follow: true, after: 40 }))).toEqual(
      events.slice(40),
    );
  });

  it("ends for those that follow when a job is cancelled or unknown", async () => {
    const store = randomUUID();
    const queue = await open({}, store);
    const other = await open({}, store);
    const { job } = await queue.add(newJob());
    const following = collect(queue.events(job.id, { follow: true }));
    await other.cancel(job.id);
    expect(statusesOf(await following)).toEqual(["queued 0", "failed 0"]);
    expect(await collect(queue.events(randomUUID(), { follow: true }))).toEqual([]);
  });

  it("ends for those that follow when they no longer want to", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    const controller = new AbortController();
    const { signal } = controller;
    const told: number[] = [];
    for await (const event of queue.events(job.id, { follow: true, signal })) {
      told.push(event.id);
      controller.abort();
    }
    expect(told).toEqual([1]);
    const later = new AbortController();
    const following = collect(queue.events(job.id, { follow: true, signal: later.signal }));
    setImmediate(() => {
      later.abort();
    });
    await following;
    expect(await collect(queue.events(job.id, { signal }))).toEqual([]);
  });

  it("tells many events to many followers", async () => {
    const queue = await open();
    const { job } = await queue.add(newJob());
    const following = Array.from({ length: 100 }, () =>
      collect(queue.events(job.id, { follow: true })),
    );
    const lease = await claim(queue);
    const bodies = Array.from({ length: 250 }, (_, index) => progress(index / 250));
    expect(await lease.append(bodies)).toBe(true);
    await lease.complete(MANIFEST);
    const events = await eventsOf(queue, job.id);
    expect(events.slice(2, -1).map((event) => event.type === "progress" && event.progress)).toEqual(
      bodies.map((_, index) => index / 250),
    );
    for (const told of await Promise.all(following)) expect(told).toEqual(events);
  });
}
