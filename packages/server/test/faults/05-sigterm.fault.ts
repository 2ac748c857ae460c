/** Row 5: SIGTERM in the middle of a job. */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { isRunning } from "../work/dispatcher-handle.ts";
import { until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { countOf, percentile, record, seconds } from "./figures.ts";
import { Scene } from "./scene.ts";

const TIMES = countOf("LATENTSYNC_FAULT_SIGTERMS", 20);
const LONGEST_EXIT_SECONDS = 9;
const SCRIPT = { segments: 4, stepMs: 150 };

describe.each(backends)("row 5 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("SIGTERM mid-job", async () => {
    await using scene = await Scene.open(backend);
    const exits: number[] = [];
    const codes = new Set<string>();
    const jobs: string[] = [];
    let running = 0;
    let service = await scene.start();
    try {
      for (let turn = 0; turn < TIMES; turn += 1) {
        // Every fourth engine hears nothing: its thread stands still.
        const deaf = turn % 4 === 3;
        const onceFile = `${scene.folder}/once-${turn}`;
        const job = await scene.add(service, {
          ...SCRIPT,
          ...(deaf && { fault: { kind: "block", segment: 1 } as const, onceFile }),
        });
        jobs.push(job);
        await scene.begun(job);
        if (deaf) await until("its deafness", () => existsSync(onceFile));
        await delay(Math.random() * 1500);
        const children = await service.children();
        const at = performance.now();
        service.kill("SIGTERM");
        codes.add(String(await service.exit()));
        exits.push((performance.now() - at) / 1000);
        for (const child of children) running += (await isRunning(child)) ? 1 : 0;
        service = await scene.start();
        await service.finished(job);
      }
      const views = await Promise.all(jobs.map((job) => service.finished(job)));
      const attempts = views.map((view) => view.attempts);
      const figures = {
        times: TIMES,
        longestExitSeconds: seconds(Math.max(...exits) * 1000),
        medianExitSeconds: seconds(percentile(exits, 0.5) * 1000),
        exitCodes: [...codes].join(" "),
        workersLeftRunning: running,
        completed: views.filter(({ status }) => status === "completed").length,
        mostAttemptsCounted: Math.max(...attempts),
        finishedSegmentsComputedAgain: scene.recomputed(await scene.journal()),
        jobsWithOnePut: jobs.filter((job) => scene.putsOf(job) === 1).length,
        handedOn: (await scene.journal()).filter(({ word }) => word === "begin").length - TIMES,
      };
      const passed =
        figures.longestExitSeconds <= LONGEST_EXIT_SECONDS &&
        figures.completed === TIMES &&
        figures.mostAttemptsCounted === 1 &&
        figures.jobsWithOnePut === TIMES &&
        running === 0;
      const title = "SIGTERM in the middle of a job, every fourth with a deaf engine";
      await record({ row: 5, title, backend: backend.name, figures, passed });
      expect(passed).toBe(true);
    } finally {
      await service[Symbol.asyncDispose]();
    }
  });
});
