import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { describe, expect, test } from "vitest";
import type { JobLease, JobQueue } from "../../src/jobs/job-queue.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";
import { DispatcherHandle, isRunning } from "./dispatcher-handle.ts";
import { aborted, Harness, linesOf, until } from "./harness.ts";

/** Of tests that wait until a lease has run out; the others keep the harness's longer one. */
const LEASE_MS = 1500;
const limits = { leaseMs: LEASE_MS };

/** A queue whose leases answer a renewal as the test says. */
function withRenewals(queue: JobQueue, renew: (lease: JobLease) => ReturnType<JobLease["renew"]>) {
  return new Proxy(queue, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "claim") return typeof value === "function" ? value.bind(target) : value;
      return async (options: { readonly signal: AbortSignal }) => {
        const lease = await target.claim(options);
        if (lease === undefined) return undefined;
        return new Proxy(lease, {
          get(held, method) {
            const own: unknown = Reflect.get(held, method);
            if (method === "renew") return async () => await renew(held);
            return typeof own === "function" ? own.bind(held) : own;
          },
        });
      };
    },
  });
}

describe("a lost lease", () => {
  test.each(["before", "during"])(
    "%s the PUT: nothing is published by its holder",
    async (when) => {
      await using harness = await Harness.open({ limits });
      let lost = false;
      let first = true;
      const outcomes: string[] = [];
      harness.files.beforePut = async (signal) => {
        if (!first) return;
        first = false;
        lost = true;
        await aborted(signal);
      };
      const queue = withRenewals(harness.queue, async (lease) => {
        if (when === "before" && first && (await linesOf(harness.journal)).includes("segment 3")) {
          first = false;
          lost = true;
        }
        return lost && lease.job.attempts === 1
          ? { held: false, cancelRequested: false }
          : await lease.renew();
      });
      harness.start({
        queue,
        observer: { jobFinished: (_, { outcome }) => void outcomes.push(outcome.kind) },
      });
      const id = await harness.add({ stepMs: 20 });
      expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 2 });
      await until("both ends", () => outcomes.length === 2);
      expect(outcomes).toEqual(["lost", "completed"]);
      expect(await harness.files.puts()).toHaveLength(1);
      await harness.clean();
    },
  );

  test("a queue that is away for a while costs no attempt, and no PUT goes on meanwhile", async () => {
    await using harness = await Harness.open({ limits: { leaseMs: 20_000 } });
    let away = false;
    let puts = 0;
    harness.files.beforePut = async (signal) => {
      puts += 1;
      if (puts > 1) return;
      away = true;
      await aborted(signal);
      away = false;
    };
    const troubles: string[] = [];
    harness.start({
      queue: withRenewals(harness.queue, async (lease) => {
        if (away) throw new LatentSyncError("unavailable", "The queue is away.");
        return await lease.renew();
      }),
      leaseMs: 500,
      observer: { trouble: ({ what }) => void troubles.push(what) },
    });
    const id = await harness.add({ segments: 1 });
    expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 1 });
    expect(puts).toBe(2);
    expect(await harness.files.puts()).toHaveLength(1);
    expect(troubles).toContain("The lease could not be renewed");
  });
});

describe("whole processes", () => {
  test.each(["in a run", "in a PUT"])(
    "a server stopped %s past its lease and continued publishes nothing",
    async (where) => {
      await using harness = await Harness.open({ limits });
      const put = where === "in a PUT" ? ({ put: "wait_before_put" } as const) : {};
      await using stopped = new DispatcherHandle({
        folder: harness.folder,
        leaseMs: LEASE_MS,
        ...put,
      });
      const worker = await stopped.workerPid();
      const id = await harness.add({ stepMs: 50 });
      if (where === "in a PUT") await stopped.report("putting");
      else await harness.journalHas("segment 1");
      await stopped.stopBetweenWrites(harness.path("queue.sqlite"));
      process.kill(worker, "SIGSTOP");
      harness.start();
      expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 2 });
      process.kill(worker, "SIGCONT");
      stopped.kill("SIGCONT");
      expect((await stopped.report("ended")).outcome).toBe("lost");
      expect(await harness.files.puts()).toEqual([`${id}.mp4`]);
      expect((await harness.queue.get(id))?.status).toBe("completed");
      await harness.clean();
    },
  );

  test("SIGTERM hands the job on, with its segments, and the attempt does not count", async () => {
    await using harness = await Harness.open();
    await using leaving = new DispatcherHandle({ folder: harness.folder, leaseMs: 3000 });
    const worker = await leaving.workerPid();
    const id = await harness.add({ stepMs: 50 });
    await harness.journalHas("segment 1");
    leaving.kill("SIGTERM");
    await leaving.report("drained");
    expect((await leaving.report("ended")).outcome).toBe("released");
    expect(await leaving.exit()).toEqual([0, null]);
    expect(await isRunning(worker)).toBe(false);
    expect(await harness.queue.get(id)).toMatchObject({ status: "queued", attempts: 0 });
    expect(await harness.log(id)).toContain("handed on: the server is going down");
    harness.start();
    expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 1 });
    const segments = (await linesOf(harness.journal)).filter((line) => line !== "run");
    expect(segments).toEqual(["segment 0", "segment 1", "segment 2", "segment 3"]);
  });

  test.each([true, false])(
    "death between PUT and acknowledgement: no second run, one PUT if the store can tell (%s)",
    async (canTell) => {
      await using harness = await Harness.open({ limits });
      harness.files.canTell = canTell;
      await using dying = new DispatcherHandle({
        folder: harness.folder,
        leaseMs: LEASE_MS,
        put: "kill_after_put",
      });
      const id = await harness.add();
      expect(await dying.exit()).toEqual([null, "SIGKILL"]);
      const published = await readFile(harness.result(id));
      harness.start();
      expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 2 });
      expect(await harness.files.puts()).toHaveLength(canTell ? 1 : 2);
      expect(await readFile(harness.result(id))).toEqual(published);
      expect((await linesOf(harness.journal)).filter((line) => line === "run")).toHaveLength(1);
    },
  );

  test.each(["run", "block"])(
    "a worker ends with its server, whatever it does: %s",
    async (what) => {
      await using harness = await Harness.open({ limits });
      await using dying = new DispatcherHandle({ folder: harness.folder, leaseMs: LEASE_MS });
      const worker = await dying.workerPid();
      const onceFile = harness.path("once");
      await harness.add({
        stepMs: 50,
        onceFile,
        ...(what === "block" && { fault: { kind: "block", segment: 0 } as const }),
      });
      if (what === "run") await harness.journalHas("segment 0");
      else await until("the block", async () => await readFile(onceFile).catch(() => undefined));
      expect(await isRunning(worker)).toBe(true);
      dying.kill("SIGKILL");
      await until("the worker's end", async () => !(await isRunning(worker)));
      expect(await isRunning(worker)).toBe(false);
    },
  );
});

test("several processes on one queue do each job once", async () => {
  await using harness = await Harness.open();
  await using other = new DispatcherHandle({ folder: harness.folder, leaseMs: 3000 });
  await other.workerPid();
  harness.start();
  const ids = await Promise.all(Array.from({ length: 8 }, () => harness.add({ segments: 1 })));
  for (const id of ids) expect(await harness.finished(id)).toMatchObject({ attempts: 1 });
  expect((await harness.files.puts()).toSorted()).toEqual(ids.map((id) => `${id}.mp4`).toSorted());
  await using reader = openSqliteQueue({ path: join(harness.folder, "queue.sqlite") });
  expect(await reader.counts()).toMatchObject({ completed: 8, failed: 0, processing: 0 });
});

test("a drain ends in time although the engine is deaf, and the job is handed on", async () => {
  await using harness = await Harness.open();
  const dispatcher = harness.start();
  const onceFile = harness.path("once");
  const id = await harness.add({ fault: { kind: "block", segment: 1 }, onceFile });
  await until("the block", async () => await readFile(onceFile).catch(() => undefined));
  await dispatcher.drain({ deadlineMs: 4000 });
  expect(await harness.queue.get(id)).toMatchObject({ status: "queued", attempts: 0 });
  await until("the worker's end", () => dispatcher.workers[0]?.state === "stopped");
});
