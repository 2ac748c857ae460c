import type { Queue } from "bullmq";
import { describe, expect, it } from "vitest";
import { newJob } from "../../src/conformance/job-queue-fixture.ts";
import { BullmqAdditions } from "../../src/jobs/bullmq-additions.ts";
import type { BullmqJobs } from "../../src/jobs/bullmq-jobs.ts";
import { resolveQueueLimits } from "../../src/jobs/queue-limits.ts";

describe("BullmqAdditions", () => {
  it("does not add what was given up while the server was slow", async () => {
    const slow = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const stored: unknown[] = [];
    const jobs: Pick<BullmqJobs, "addToList" | "read"> = {
      read: async () => undefined,
      addToList: async () => {
        asked.resolve();
        await slow.promise;
      },
    };
    const queue: Pick<Queue, "addBulk" | "getJobCounts"> = {
      getJobCounts: async () => ({}),
      addBulk: async (added) => {
        stored.push(...added.map(({ data }: { readonly data: unknown }) => data));
        return [];
      },
    };
    const additions = new BullmqAdditions({
      queue: queue as Queue,
      jobs: jobs as BullmqJobs,
      limits: resolveQueueLimits(),
      exclusively: (work) => work(),
    });
    const [kept, given] = [newJob(), newJob()];
    const { added } = additions.add(kept);
    const { abandon } = additions.add(given);
    await asked.promise;
    abandon();
    slow.resolve();
    expect(await added).toMatchObject({ created: true, job: { id: kept.id } });
    await additions.idle();
    expect(stored).toEqual([kept]);
  });
});
