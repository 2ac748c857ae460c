import { afterAll, beforeAll } from "vitest";
import { jobQueueConformance } from "../../src/conformance/index.ts";
import { openBullmqQueue } from "../../src/jobs/bullmq-queue.ts";
import { postgresMissing, startPostgres } from "../servers/postgres.ts";
import type { TestServer } from "../servers/redis.ts";

let server: TestServer | undefined;
beforeAll(async () => {
  if (postgresMissing === undefined) server = await startPostgres();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

jobQueueConformance("BullMQ on PostgreSQL", {
  open: (name, limits) => openBullmqQueue({ url: server?.url ?? "", name, limits }),
  skip: postgresMissing,
});
