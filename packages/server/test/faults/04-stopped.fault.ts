/** Row 4: a server that is stopped past its lease and goes on. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { type Backend, backends } from "./backends.ts";
import { countOf, record } from "./figures.ts";
import { Scene } from "./scene.ts";
import type { ServiceHandle } from "./service-handle.ts";

const ROUNDS = countOf("LATENTSYNC_FAULT_STOPS", 5);
const WORKERS = 4;
/** Far larger than what the system takes over for a connection. */
const RESULT_BYTES = 40_000_000;
const SCRIPT = { segments: 2, stepMs: 200, paddingBytes: RESULT_BYTES };
const PUT_BYTES_PER_SECOND = 20_000_000;
/** Steps and PUT. */
const WHOLE_MS = 4500;
/** For what a server that goes on would do. */
const AFTERMATH_MS = 5000;

async function signalAll(service: ServiceHandle, signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
  for (const child of await service.children()) process.kill(child, signal);
  service.kill(signal);
}

/** SQLite's lock would be held by a process that was stopped while it writes. */
async function stop(service: ServiceHandle, backend: Backend): Promise<void> {
  await until("a stop between writes", async () => {
    await signalAll(service, "SIGSTOP");
    if (backend.name !== "sqlite") return true;
    using database = new DatabaseSync(join(service.dataFolder, "jobs.sqlite"), { timeout: 0 });
    try {
      database.exec("BEGIN IMMEDIATE; ROLLBACK");
      return true;
    } catch {
      await signalAll(service, "SIGCONT");
      return false;
    }
  });
}

describe.each(backends)("row 4 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("stopped past the lease", async () => {
    await using scene = await Scene.open(backend);
    scene.bucket.takeBytesPerSecond = PUT_BYTES_PER_SECOND;
    const environment = { WORKERS: String(WORKERS) };
    // Machines of their own have data folders of their own; with SQLite they share one.
    const dataFolder = (name: string): string =>
      join(scene.folder, backend.name === "sqlite" ? "data" : `data-${name}`);
    const jobs: string[] = [];
    const stopped = { running: 0, putting: 0, done: 0 };
    /** The system had taken over all of the result before the stop, and delivered it. */
    const delivered = new Set<string>();
    let late = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      await using first = await scene.start({ environment, dataFolder: dataFolder("first") });
      const own: string[] = [];
      for (let index = 0; index < WORKERS; index += 1) {
        own.push(await scene.add(first, SCRIPT));
        await scene.begun(own.at(-1)!);
        await delay((Math.random() * WHOLE_MS) / WORKERS);
      }
      await stop(first, backend);
      const stoppedAt = Date.now();
      await delay(100);
      for (const job of own) {
        if (scene.putsOf(job) > 0) stopped.done += 1;
        else if (scene.bucket.underWay.has(`${job}.out`)) stopped.putting += 1;
        else stopped.running += 1;
      }
      await using second = await scene.start({ environment, dataFolder: dataFolder("second") });
      for (const job of own) await second.finished(job);
      const goesOnAt = Date.now();
      await signalAll(first, "SIGCONT");
      await delay(AFTERMATH_MS);
      late += scene.bucket.puts.filter((put) => put.whole && put.endedAt >= goesOnAt).length;
      for (const job of own) {
        const [earliest] = scene.bucket.putsOf(`${job}.out`);
        const isOfFirst = earliest !== undefined && earliest.startedAt < stoppedAt;
        if (isOfFirst && earliest.endedAt > stoppedAt) delivered.add(job);
      }
      if (goesOnAt - stoppedAt < 10_000 && stopped.done < own.length) {
        throw new Error("The lease had not run out.");
      }
      jobs.push(...own);
    }
    const puts = jobs.map((job) => scene.putsOf(job));
    const figures = {
      jobs: jobs.length,
      stoppedInRun: stopped.running,
      stoppedInPut: stopped.putting,
      stoppedAfterPut: stopped.done,
      publishedAfterGoingOn: late,
      jobsWithOnePut: puts.filter((count) => count === 1).length,
      deliveredBySystemWhileStopped: delivered.size,
      mostPuts: Math.max(...puts),
      brokenOffPuts: scene.bucket.puts.filter(({ whole }) => !whole).length,
    };
    const others = jobs.filter((job) => !delivered.has(job));
    const passed = late === 0 && others.every((job) => scene.putsOf(job) === 1);
    const title = "SIGSTOP of a server and its workers past the lease, then SIGCONT";
    await record({ row: 4, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
