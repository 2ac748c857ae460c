/** Row 6: cancelling at random moments, from the download to the PUT. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { countOf, percentile, record, seconds } from "./figures.ts";
import { Scene } from "./scene.ts";

const TIMES = countOf("LATENTSYNC_FAULT_CANCELS", 100);
const STEP_MS = 300;
const GRACE_MS = 500;
const SCRIPT = { segments: 2, stepMs: STEP_MS, paddingBytes: 20_000_000 };
const STEPS = 3;
const DOWNLOAD_MS = 400;
const PUT_BYTES_PER_SECOND = 20_000_000;
/** Download, steps, PUT. */
const WHOLE_MS = DOWNLOAD_MS + SCRIPT.segments * STEPS * STEP_MS + 1000;

describe.each(backends)("row 6 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("cancel at random points", async () => {
    await using scene = await Scene.open(backend);
    scene.bucket.readDelayMs = DOWNLOAD_MS;
    scene.bucket.takeBytesPerSecond = PUT_BYTES_PER_SECOND;
    await using service = await scene.start();
    const [worker] = await service.children();
    const states: number[] = [];
    const idles: number[] = [];
    const phases = { download: 0, steps: 0, put: 0, tooLate: 0 };
    let puts = 0;
    let delivered = 0;
    let left = 0;
    while (states.length < TIMES) {
      const job = await scene.add(service, SCRIPT, { steps: STEPS });
      await until("its start", async () => (await service.job(job))?.status !== "queued");
      await delay(Math.random() * WHOLE_MS);
      const at = Date.now();
      await service.cancel(job);
      const view = await service.finished(job);
      const ended = Date.now() - at;
      if (view.status === "completed") {
        phases.tooLate += 1;
        continue;
      }
      if (view.error_code !== "cancelled") throw new Error(`It ended with ${view.error_code}.`);
      states.push(ended);
      const lines = await scene.journalOf(job);
      const begun = lines.some(({ word }) => word === "begin");
      const end = lines.find(({ word }) => word === "end");
      // A child that was killed tells no end; it is idle when it is replaced.
      const idleAt = end?.at ?? (begun ? Date.now() : at);
      idles.push(Math.max(0, idleAt - at));
      if (!begun) phases.download += 1;
      else if (end !== undefined && end.at <= at) phases.put += 1;
      else phases.steps += 1;
      // What the system had taken over of a PUT when the cancel came may arrive all the same.
      if (end !== undefined && end.at <= at) delivered += scene.putsOf(job);
      else puts += scene.putsOf(job);
      await until("a clean folder", async () => (await service.leftovers()).length === 0).catch(
        () => undefined,
      );
      const names = await service.leftovers();
      if (names.length > 0) console.error(`Left after the cancel of ${job}: ${names.join(", ")}`);
      left += names.length;
    }
    const [last] = await service.children();
    const limit = (STEP_MS + GRACE_MS) / 1000;
    const figures = {
      cancelled: states.length,
      duringDownload: phases.download,
      duringSteps: phases.steps,
      duringPut: phases.put,
      completedBefore: phases.tooLate,
      stepSeconds: STEP_MS / 1000,
      longestUntilFailedSeconds: seconds(Math.max(...states)),
      p95UntilFailedSeconds: seconds(percentile(states, 0.95)),
      longestUntilIdleSeconds: seconds(Math.max(...idles)),
      limitSeconds: limit,
      puts,
      deliveredWhenCancelledDuringPut: delivered,
      filesLeft: left,
      workerReplaced: worker !== last,
    };
    const passed =
      figures.longestUntilFailedSeconds <= limit &&
      figures.longestUntilIdleSeconds <= limit &&
      puts === 0 &&
      left === 0;
    const title = "Cancel at random points from download to PUT";
    await record({ row: 6, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
