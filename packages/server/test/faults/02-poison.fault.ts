import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { record, seconds } from "./figures.ts";
import { Scene } from "./scene.ts";

describe.each(backends)("row 2 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)(
    "an input that crashes the worker each time",
    async () => {
      await using scene = await Scene.open(backend);
      await using service = await scene.start();
      const fault = { kind: "die", signal: "SIGSEGV", segment: 1 } as const;
      const poison = await scene.add(service, { fault, segments: 2 });
      await scene.begun(poison);
      const next = await scene.add(service, { segments: 2 });
      const failed = await service.finished(poison);
      const failedAt = Date.now();
      const completed = await service.finished(next);
      const completedAfter = seconds(Date.now() - failedAt);
      await until("clean folders", async () => (await service.leftovers()).length === 0);
      const lines = await scene.journalOf(poison);
      const starts = lines.filter(({ word }) => word === "begin").length;
      const dead = await fetch(`${service.url}/jobs?dead_letter=true`);
      const listed = ((await dead.json()) as { jobs: { job_id: string }[] }).jobs;
      const figures = {
        starts,
        error: failed.error_code ?? "none",
        deadLetters: listed.length,
        nextJob: completed.status,
        nextJobDoneAfterSeconds: completedAfter,
        putsOfPoison: scene.putsOf(poison),
        putsOfNext: scene.putsOf(next),
        leftovers: (await service.leftovers()).length,
      };
      const passed =
        starts <= 3 &&
        failed.error_code === "crashed" &&
        listed.some((job) => job.job_id === poison) &&
        completed.status === "completed" &&
        figures.putsOfPoison === 0 &&
        figures.putsOfNext === 1;
      const title = "An input that crashes the worker each time";
      await record({ row: 2, title, backend: backend.name, figures, passed });
      expect(passed).toBe(true);
    },
  );
});
