import { LatentSyncError } from "@ls/core";
import { expect, test } from "vitest";
import type { JobLease, JobQueue } from "../../src/jobs/job-queue.ts";
import { Harness, until } from "./harness.ts";

/** A queue whose first answers to `complete`, `fail` and a look at an ended job are lost on the way. */
function withLostAnswers(queue: JobQueue): JobQueue {
  const lost = new Set<string>();
  const losing =
    <Arguments extends unknown[], Answer>(
      name: string,
      ask: (...given: Arguments) => Promise<Answer>,
      isLost: (answer: Answer) => boolean = () => true,
    ) =>
    async (...given: Arguments): Promise<Answer> => {
      const answer = await ask(...given);
      if (lost.has(name) || !isLost(answer)) return answer;
      lost.add(name);
      throw new LatentSyncError("unavailable", "Nothing was heard.");
    };
  const ofLease = (lease: JobLease): JobLease => ({
    job: lease.job,
    renew: () => lease.renew(),
    cancelRequested: () => lease.cancelRequested(),
    append: (events) => lease.append(events),
    release: () => lease.release(),
    complete: losing("complete", (manifest) => lease.complete(manifest)),
    fail: losing("fail", (error, options) => lease.fail(error, options)),
  });
  return new Proxy(queue, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "claim") {
        return async (options: { readonly signal: AbortSignal }) => {
          const lease = await target.claim(options);
          return lease && ofLease(lease);
        };
      }
      if (name === "get") {
        return losing(
          "get",
          (id: string) => target.get(id),
          (job) => job?.finishedAt !== undefined,
        );
      }
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

test.each([
  ["completed", {}],
  ["failed", { fault: { kind: "throw", code: "no_face", message: "None.", segment: 0 } }],
] as const)("an end that the queue took unheard is the end: %s", async (status, script) => {
  await using harness = await Harness.open();
  const outcomes: string[] = [];
  const told: string[] = [];
  harness.start({
    queue: withLostAnswers(harness.queue),
    observer: { jobFinished: (_, { outcome }) => void outcomes.push(outcome.kind) },
    onFinished: async (job) => void told.push(`${job.id} ${job.status}`),
  });
  const id = await harness.add({ segments: 1, ...script });
  expect(await harness.finished(id)).toMatchObject({ status, attempts: 1 });
  await until("the announcement", () => told.length > 0);
  expect(told).toEqual([`${id} ${status}`]);
  expect(outcomes).toEqual([status]);
  await harness.clean();
});
