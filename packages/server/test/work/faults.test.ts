import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { describe, expect, test } from "vitest";
import type { JobObserver } from "../../src/work/observer.ts";
import type { FakeFault } from "./fake-engine.ts";
import { aborted, engineModule, Harness, linesOf, until } from "./harness.ts";

type Crash = Parameters<NonNullable<JobObserver["workerCrashed"]>>[0];

describe("crashes", () => {
  test("a crash costs one attempt, and finished segments are not computed again", async () => {
    await using harness = await Harness.open();
    const crashes: Crash[] = [];
    harness.start({ observer: { workerCrashed: (crash) => void crashes.push(crash) } });
    const id = await harness.add({
      fault: { kind: "die", signal: "SIGKILL", segment: 2 },
      onceFile: harness.path("once"),
    });
    expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 2 });
    expect(await linesOf(harness.journal)).toEqual([
      "run",
      "segment 0",
      "segment 1",
      "run",
      "segment 2",
      "segment 3",
    ]);
    expect(crashes).toMatchObject([{ worker: "worker-0", exitSignal: "SIGKILL", job: { id } }]);
    const log = await harness.log(id);
    expect(log).toContain("continued from segment 2");
    expect(log).toContain("the inputs are here from an earlier attempt");
    expect(await harness.files.puts()).toHaveLength(1);
    await harness.clean();
  });

  test("an input that crashes the worker each time is a dead letter, and the next job runs", async () => {
    await using harness = await Harness.open();
    harness.start();
    const bad = await harness.add({
      segments: 1,
      fault: { kind: "die", signal: "SIGSEGV", segment: 0 },
    });
    const good = await harness.add({ segments: 1 });
    expect(await harness.finished(bad)).toMatchObject({
      status: "failed",
      deadLetter: true,
      attempts: 3,
      error: { code: "crashed" },
    });
    expect((await harness.finished(good)).status).toBe("completed");
    const log = await harness.log(bad);
    expect(log).toContain("native trouble at lib.so: SIGSEGV");
    expect(log.join("\n")).not.toContain("/opt/secret");
    await harness.clean();
    expect(await harness.files.puts()).toEqual([`${good}.mp4`]);
  });

  test.each<FakeFault>([{ kind: "hang" }, { kind: "block" }, { kind: "uncaught" }])(
    "a worker that ends or falls silent in a run is replaced: $kind",
    async (fault) => {
      await using harness = await Harness.open({ worker: { silenceMs: 1000 } });
      harness.start();
      const onceFile = harness.path("once");
      const id = await harness.add({ fault: { ...fault, segment: 1 }, onceFile });
      expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 2 });
      expect((await harness.log(id)).join("\n")).toMatch(/crashed: The worker process/u);
    },
  );

  test("a setup that fails keeps jobs waiting, and is tried again", async () => {
    await using harness = await Harness.open();
    const brokenWhile = harness.path("broken");
    await writeFile(brokenWhile, "");
    const engineOptions = { brokenWhile };
    const dispatcher = harness.start({
      workers: [{ name: "worker-0", engineModule, engineOptions, setupBackoffMs: 20 }],
    });
    const id = await harness.add();
    await until("a failed setup", () => dispatcher.state === "setup_failed");
    expect(dispatcher.problem).toBe("The engine could not be set up: The model is broken.");
    expect(await harness.queue.get(id)).toMatchObject({ status: "queued", attempts: 0 });
    await rm(brokenWhile);
    expect(await harness.finished(id)).toMatchObject({ status: "completed", attempts: 1 });
  });
});

describe("errors of the engine and the inputs", () => {
  test.each<LatentSyncErrorCode>(["invalid_media", "no_face"])(
    "%s fails the job at once",
    async (code) => {
      await using harness = await Harness.open();
      harness.start();
      const message = "Frame 3 of /var/data/jobs/7/video_in is bad.";
      const id = await harness.add({ fault: { kind: "throw", code, message, segment: 1 } });
      expect(await harness.finished(id)).toMatchObject({
        status: "failed",
        attempts: 1,
        deadLetter: false,
        error: { code, message: "Frame 3 of video_in is bad.", hint: "Do something else." },
      });
      await harness.clean();
      expect(await harness.files.puts()).toEqual([]);
    },
  );

  test("an input that is not there fails the job before any run", async () => {
    await using harness = await Harness.open();
    harness.start();
    const id = await harness.add({}, { audio: harness.path("missing.wav") });
    expect(await harness.finished(id)).toMatchObject({
      attempts: 1,
      error: { code: "not_found" },
    });
    expect(await linesOf(harness.journal)).toEqual([]);
    await harness.clean();
  });

  test("what may pass is tried again until the attempts are used up", async () => {
    await using harness = await Harness.open();
    harness.start();
    const id = await harness.add({ fault: { kind: "throw_plain", segment: 1 } });
    const job = await harness.finished(id);
    expect(job).toMatchObject({ attempts: 3, deadLetter: true, error: { code: "runtime" } });
    expect(job.error?.message).not.toContain("/opt/secret");
    await harness.clean();
  });

  test("a full disk fails the job, and the server goes on", async () => {
    await using harness = await Harness.open();
    harness.start();
    const errno = "ENOSPC";
    const id = await harness.add({ fault: { kind: "throw_plain", errno, segment: 1 } });
    const next = await harness.add();
    expect(await harness.finished(id)).toMatchObject({
      attempts: 1,
      error: { code: "disk_full", message: "The server's disk is full." },
    });
    expect((await harness.finished(next)).status).toBe("completed");
    await harness.clean();
  });

  test("too little free space fails the job before anything is brought in", async () => {
    await using harness = await Harness.open();
    harness.start({ minFreeBytes: Number.MAX_SAFE_INTEGER });
    const id = await harness.add();
    expect(await harness.finished(id)).toMatchObject({ error: { code: "disk_full" } });
    expect(await linesOf(harness.journal)).toEqual([]);
    await harness.clean();
  });
});

describe("cancelling and deadlines", () => {
  const slow = { segments: 4, stepMs: 100 };

  async function expectCancelled(harness: Harness, id: string): Promise<void> {
    await harness.queue.cancel(id);
    expect(await harness.finished(id)).toMatchObject({
      status: "failed",
      error: { code: "cancelled" },
    });
    await harness.clean();
    expect(await harness.files.puts()).toEqual([]);
    const next = await harness.add({ segments: 1 });
    harness.files.beforePut = undefined;
    harness.files.beforeDownload = undefined;
    expect((await harness.finished(next)).status).toBe("completed");
  }

  test("cancelled while its inputs come in", async () => {
    await using harness = await Harness.open();
    const reached = Promise.withResolvers<void>();
    harness.files.beforeDownload = async (signal) => {
      reached.resolve();
      await aborted(signal);
    };
    harness.start();
    const id = await harness.add(slow);
    await reached.promise;
    await expectCancelled(harness, id);
  });

  test.each(["run", "segment 0", "segment 2"])("cancelled after: %s", async (line) => {
    await using harness = await Harness.open();
    harness.start();
    const id = await harness.add(slow);
    await harness.journalHas(line);
    await expectCancelled(harness, id);
  });

  test.each<FakeFault>([{ kind: "hang" }, { kind: "block" }])(
    "cancelled while the engine is deaf: $kind",
    async (fault) => {
      await using harness = await Harness.open({ worker: { abortLimitMs: 300 } });
      harness.start();
      const onceFile = harness.path("once");
      const id = await harness.add({ ...slow, fault: { ...fault, segment: 1 }, onceFile });
      await until("the fault", async () => (await linesOf(harness.journal)).includes("segment 0"));
      await expectCancelled(harness, id);
    },
  );

  test("cancelled while the result is being stored", async () => {
    await using harness = await Harness.open();
    const reached = Promise.withResolvers<void>();
    harness.files.beforePut = async (signal) => {
      reached.resolve();
      await aborted(signal);
    };
    harness.start();
    const id = await harness.add({ segments: 1 });
    await reached.promise;
    await expectCancelled(harness, id);
  });

  test("a deadline ends a running job with timeout, and one that was missed before it started", async () => {
    await using harness = await Harness.open();
    harness.start();
    const running = await harness.add(
      { segments: 1000, stepMs: 20 },
      { deadlineAt: new Date(Date.now() + 1500).toISOString() },
    );
    const missed = await harness.add({}, { deadlineAt: new Date(Date.now() - 1).toISOString() });
    for (const id of [running, missed]) {
      expect(await harness.finished(id)).toMatchObject({
        status: "failed",
        deadLetter: false,
        error: { code: "timeout" },
      });
    }
    await harness.clean();
    expect(await harness.files.puts()).toEqual([]);
  });
});

test("folders of jobs that are over or unknown are removed at the start, others stay", async () => {
  await using harness = await Harness.open();
  const id = "00000000-0000-4000-8000-000000000000";
  await mkdir(join(harness.dataFolder, "jobs", id, "segments"), { recursive: true });
  harness.start();
  await harness.clean();
  expect(await harness.leftovers()).toEqual([]);
});

test("a job's end is announced, and trouble with that does no harm", async () => {
  await using harness = await Harness.open();
  const told: string[] = [];
  const troubles: string[] = [];
  harness.start({
    observer: { trouble: ({ what }) => void troubles.push(what) },
    onFinished: async (job) => {
      told.push(`${job.id} ${job.status}`);
      throw new LatentSyncError("network", "Nobody listens.");
    },
  });
  const id = await harness.add({ segments: 1 });
  const next = await harness.add({ segments: 1 });
  await harness.finished(next);
  await until("two announcements", () => told.length === 2 && troubles.length === 2);
  expect(told).toEqual([`${id} completed`, `${next} completed`]);
});
