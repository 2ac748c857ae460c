import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  MANIFEST,
  claim,
  collect,
  eventually,
  newJob,
  statusesOf,
} from "../../src/conformance/job-queue-fixture.ts";
import { openBullmqQueue } from "../../src/jobs/bullmq-queue.ts";
import { postgresMissing, startPostgres } from "../servers/postgres.ts";
import { findFreePort } from "../servers/process.ts";
import { redisMissing, startRedis } from "../servers/redis.ts";

const UNAVAILABLE = { code: "unavailable", hint: expect.any(String) as string };

describe.each([
  { name: "Redis", start: () => startRedis({ flush: "always" }), missing: redisMissing },
  { name: "PostgreSQL", start: startPostgres, missing: postgresMissing },
])("the queue on $name", ({ name, start, missing }) => {
  const title = (text: string): string => (missing === undefined ? text : `${text} (${missing})`);

  it.skipIf(missing !== undefined)(
    title("keeps what was accepted when the server is killed, and goes on when it is back"),
    async () => {
      await using server = await start();
      await using queue = await openBullmqQueue({ url: server.url, limits: { leaseMs: 60_000 } });
      const jobs = Array.from({ length: 20 }, () => newJob());
      await Promise.all(jobs.map((job) => queue.add(job)));
      const lease = await claim(queue);
      const following = collect(queue.events(lease.job.id, { follow: true }));
      await server.kill();
      await expect(queue.add(newJob())).rejects.toMatchObject(UNAVAILABLE);
      await expect(queue.get(lease.job.id)).rejects.toMatchObject(UNAVAILABLE);
      await expect(queue.list({ limit: 1 })).rejects.toMatchObject(UNAVAILABLE);
      await expect(lease.renew()).rejects.toMatchObject(UNAVAILABLE);
      // A claim waits until the server is back.
      const nextClaim = claim(queue);
      await setTimeout(200);
      await server.restart();
      expect(jobs.map(({ id }) => id)).toContain((await nextClaim).job.id);
      await eventually(async () => {
        expect(await queue.list({ limit: 100 })).toHaveLength(jobs.length);
      });
      expect(await lease.renew()).toEqual({ held: true, cancelRequested: false });
      expect(await lease.complete(MANIFEST)).toBe(true);
      expect(statusesOf(await following)).toEqual(["queued 0", "processing 1", "completed 1"]);
      expect((await queue.add(newJob())).created).toBe(true);
    },
  );

  it(`is not opened if no ${name} answers`, async () => {
    const scheme = name === "Redis" ? "redis" : "postgres";
    const url = `${scheme}://127.0.0.1:${await findFreePort()}`;
    await expect(openBullmqQueue({ url })).rejects.toMatchObject(UNAVAILABLE);
  });
});

describe("openBullmqQueue", () => {
  it.skipIf(redisMissing !== undefined)(
    `warns of a Redis that loses jobs${redisMissing === undefined ? "" : ` (${redisMissing})`}`,
    async () => {
      await using server = await startRedis({ appendOnly: false });
      const warnings: string[] = [];
      await using _queue = await openBullmqQueue({
        url: server.url,
        onWarning: (message) => warnings.push(message),
      });
      expect(warnings).toEqual([expect.stringContaining("appendonly yes")]);
    },
  );

  it("refuses URLs and names that are not known", async () => {
    const refused = { code: "invalid_argument" };
    await expect(openBullmqQueue({ url: "amqp://localhost" })).rejects.toMatchObject(refused);
    const named = openBullmqQueue({ url: "redis://localhost", name: `a:${randomUUID()}` });
    await expect(named).rejects.toMatchObject(refused);
  });
});
