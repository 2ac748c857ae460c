import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { JobQueue } from "../../src/jobs/job-queue.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";
import { createFixture, post, REQUEST } from "./fixture.ts";

it("a queue that hangs is told of before its answers come, and gets no job later", async () => {
  await using real = openSqliteQueue({ path: ":memory:" });
  const asked = Promise.withResolvers<void>();
  const added: string[] = [];
  const queue = new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "get") {
        return async (id: string) => {
          await delay(2500);
          asked.resolve();
          return await target.get(id);
        };
      }
      if (name === "add") {
        return async (job: Parameters<JobQueue["add"]>[0]) => {
          added.push(job.id);
          return await target.add(job);
        };
      }
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  await using fixture = createFixture({ services: { queue } });
  const response = await fixture.request("/jobs", post(REQUEST));
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "unavailable" });
  await asked.promise;
  await delay(10);
  expect(added).toEqual([]);
});
