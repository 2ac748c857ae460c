/** The queues that campaigns run on: those of `LATENTSYNC_FAULT_BACKENDS`, by default all. */
import { setTimeout as delay } from "node:timers/promises";
import { postgresMissing, startPostgres } from "../servers/postgres.ts";
import { redisMissing, startRedis, type TestServer } from "../servers/redis.ts";

export type BackendName = "sqlite" | "redis" | "postgres";

export interface Backend {
  readonly name: BackendName;
  readonly skip: string | undefined;
  start(): Promise<QueueServer>;
}

export interface QueueServer extends AsyncDisposable {
  /** For the service: where its queue is. */
  readonly environment: Readonly<Record<string, string>>;
  readonly server: TestServer | undefined;
}

const wanted = (process.env["LATENTSYNC_FAULT_BACKENDS"] ?? "sqlite,redis,postgres").split(",");

function backend(
  name: BackendName,
  missing: string | undefined,
  open?: () => Promise<TestServer>,
): Backend {
  const skip = wanted.includes(name) ? missing : "not in LATENTSYNC_FAULT_BACKENDS";
  return {
    name,
    skip,
    async start() {
      const server = await open?.();
      return {
        environment: server === undefined ? {} : { QUEUE_URL: server.url },
        server,
        [Symbol.asyncDispose]: async () => await server?.[Symbol.asyncDispose](),
      };
    },
  };
}

export const servers: readonly Backend[] = [
  backend("redis", redisMissing, startRedis),
  backend("postgres", postgresMissing, startPostgres),
];

export const backends: readonly Backend[] = [backend("sqlite", undefined), ...servers];

/** Starts a killed server again, as often as it takes: PostgreSQL's orphans may keep its memory. */
export async function restart(server: TestServer): Promise<void> {
  const giveUpAt = Date.now() + 30_000;
  for (;;) {
    try {
      return await server.restart();
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await delay(100);
    }
  }
}
