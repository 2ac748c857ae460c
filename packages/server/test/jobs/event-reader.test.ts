import { describe, expect, it } from "vitest";
import { newJob, progress } from "../../src/conformance/job-queue-fixture.ts";
import { EventReader } from "../../src/jobs/bullmq-jobs.ts";
import { JobHistory, type JobRow } from "../../src/jobs/job-history.ts";

describe("EventReader", () => {
  it("looks ever more seldom while nothing comes, and soon again when something came", async () => {
    const job = newJob();
    const log: JobRow[] = [{ kind: "start", token: "a", at: Date.now() }];
    const reader = new EventReader(
      {
        begin: async () => new JobHistory(job, Date.now()),
        nextRows: async (_, start) => ({
          rows: log.slice(start),
          complete: true,
          exists: true,
        }),
      },
      job.id,
    );
    const look = async (): Promise<number> => {
      await reader.next();
      return reader.waitMs;
    };
    expect([await look(), await look()]).toEqual([1000, 1000]);
    const quiet = [await look(), await look(), await look(), await look(), await look()];
    expect(quiet).toEqual([2000, 4000, 8000, 10_000, 10_000]);
    log.push({ kind: "tell", token: "a", at: Date.now(), events: [progress(0.5)] });
    expect(await look()).toBe(1000);
    expect(await look()).toBe(2000);
  });
});
