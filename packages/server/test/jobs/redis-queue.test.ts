import { afterAll, beforeAll } from "vitest";
import { jobQueueConformance } from "../../src/conformance/index.ts";
import { openBullmqQueue } from "../../src/jobs/bullmq-queue.ts";
import { redisMissing, startRedis } from "../servers/redis.ts";
import type { TestServer } from "../servers/redis.ts";

let server: TestServer | undefined;
beforeAll(async () => {
  if (redisMissing === undefined) server = await startRedis();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

jobQueueConformance("BullMQ on Redis", {
  open: (name, limits) => openBullmqQueue({ url: server?.url ?? "", name, limits }),
  skip: redisMissing,
});
