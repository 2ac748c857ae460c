/** Connections to Redis and PostgreSQL, as BullMQ and the queue over it need them. */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";
import {
  DEFAULT_SCHEMA,
  type PgPool,
  Queue,
  QueueEvents,
  type QueueOptions,
  Worker,
  type WorkerOptions,
  createPostgresBackend,
  runMigrations,
} from "bullmq";
import { Redis } from "ioredis";
import { Pool } from "pg";

/** Answers, also that there is none, come within 2 s. */
export const ANSWER_MS = 1800;
const CONNECT_MS = 1500;
const RECONNECT_MS = { first: 50, longest: 1000 };
/** How long a process that dies in the middle can keep the others from adding. */
const EXCLUSIVE_MS = 1500;
const EXCLUSIVE_RETRY_MS = 5;

type Options<T> = Omit<T, "connection">;

export interface BullmqConnection {
  queue(name: string, options: Options<QueueOptions>): Queue;
  worker(name: string, options: Options<WorkerOptions>): Worker;
  queueEvents(name: string): QueueEvents;
  /** Does `work` while no other process does anything under that name. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** What an operator should change so that nothing is lost. */
  warnings(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * @throws LatentSyncError `invalid_argument` for another URL, `unavailable` if nobody answers.
 */
export async function connect(url: string): Promise<BullmqConnection> {
  const scheme = url.slice(0, url.indexOf(":"));
  if (scheme === "redis" || scheme === "rediss") return await connectRedis(url);
  if (scheme === "postgres" || scheme === "postgresql") return await connectPostgres(url);
  throw new LatentSyncError("invalid_argument", `A queue at ${scheme || "that"}: is not known.`, {
    hint: "Use a URL that begins with redis:, rediss:, postgres: or postgresql:.",
  });
}

export function unavailable(cause: unknown): LatentSyncError {
  return new LatentSyncError("unavailable", "The job queue cannot be reached.", {
    cause,
    hint: "Try again later; check that the server of QUEUE_URL runs and lets this machine in.",
  });
}

/** Errors of connections come again with each command, which tells its caller. */
function ignoreErrors<T extends { on(event: "error", listener: () => void): unknown }>(
  emitter: T,
): T {
  emitter.on("error", () => undefined);
  return emitter;
}

async function connectRedis(url: string): Promise<BullmqConnection> {
  const client = ignoreErrors(
    new Redis(url, {
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      commandTimeout: ANSWER_MS,
      // Commands fail at once while there is no connection, and are never sent later: who was told
      // that a job could not be added must not find it added.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: (attempt) => Math.min(attempt * RECONNECT_MS.first, RECONNECT_MS.longest),
    }),
  );
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    client.disconnect();
    throw unavailable(error);
  }
  let events: Redis | undefined;
  return {
    queue: (name, options) => ignoreErrors(new Queue(name, { ...options, connection: client })),
    worker: (name, options) =>
      ignoreErrors(new Worker(name, null, { ...options, connection: client })),
    queueEvents: (name) => {
      // It waits for answers that may take long.
      events ??= ignoreErrors(client.duplicate({ commandTimeout: undefined, lazyConnect: false }));
      return ignoreErrors(new QueueEvents(name, { connection: events }));
    },
    exclusively: (name, work) => exclusivelyOnRedis(client, name, work),
    warnings: () => warningsOfRedis(client),
    close: () => {
      client.disconnect();
      events?.disconnect();
      return Promise.resolve();
    },
  };
}

async function exclusivelyOnRedis<T>(
  client: Redis,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const key = `${name}:exclusive`;
  const token = randomUUID();
  const giveUpAt = Date.now() + ANSWER_MS;
  while ((await client.set(key, token, "PX", EXCLUSIVE_MS, "NX")) === null) {
    if (Date.now() > giveUpAt) throw unavailable(new Error(`${key} is kept by another process.`));
    await setTimeout(EXCLUSIVE_RETRY_MS);
  }
  try {
    return await work();
  } finally {
    const release =
      'if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end';
    // If it cannot be told, it ends by itself.
    await client.eval(release, 1, key, token).catch(() => undefined);
  }
}

async function warningsOfRedis(client: Redis): Promise<readonly string[]> {
  const setting = async (name: string): Promise<string | undefined> => {
    // Hosted servers often do not allow CONFIG.
    const answer = await client.config("GET", name).catch(() => []);
    return (answer as readonly string[])[1];
  };
  const warnings: string[] = [];
  if ((await setting("appendonly")) === "no") {
    warnings.push(
      "Redis keeps no append-only file: accepted jobs are lost when it dies. Set appendonly yes.",
    );
  }
  const policy = await setting("maxmemory-policy");
  if (policy !== undefined && policy !== "noeviction") {
    warnings.push(
      `Redis may drop jobs when its memory is full (maxmemory-policy ${policy}). Set noeviction.`,
    );
  }
  return warnings;
}

/** While a connection is in use, its loss is told to nobody but itself, and unheard it is fatal. */
function ignoreErrorsOfPool(pool: Pool): Pool {
  pool.on("connect", (client) => {
    ignoreErrors(client);
  });
  return ignoreErrors(pool);
}

async function connectPostgres(url: string): Promise<BullmqConnection> {
  const pool = ignoreErrorsOfPool(
    new Pool({
      connectionString: url,
      max: 12,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
      options: `-c search_path=${DEFAULT_SCHEMA}`,
    }),
  );
  // A lock lasts as long as its session, and is had by a pool of its own, so that whoever waits for
  // it does not keep connections from whoever has it.
  const locks = ignoreErrorsOfPool(
    new Pool({ connectionString: url, max: 1, connectionTimeoutMillis: CONNECT_MS }),
  );
  const close = async (): Promise<void> => {
    await Promise.all([pool.end(), locks.end()]);
  };
  try {
    const client = await locks.connect();
    try {
      await runMigrations(client);
    } finally {
      client.release();
    }
  } catch (error) {
    await close();
    throw unavailable(error);
  }
  // The same thing in the words of BullMQ, which has types of its own for it.
  const options = { connection: pool as unknown as PgPool };
  return {
    queue: (name, given) =>
      ignoreErrors(
        new Queue(name, { ...given, ...options }, createPostgresBackend) as unknown as Queue,
      ),
    worker: (name, given) =>
      ignoreErrors(
        new Worker(
          name,
          null,
          { ...given, ...options },
          createPostgresBackend,
        ) as unknown as Worker,
      ),
    queueEvents: (name) =>
      ignoreErrors(new QueueEvents(name, options, createPostgresBackend) as unknown as QueueEvents),
    exclusively: (name, work) => exclusivelyOnPostgres(locks, name, work),
    warnings: () => warningsOfPostgres(pool),
    close,
  };
}

async function exclusivelyOnPostgres<T>(
  locks: Pool,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const client = await locks.connect();
  let failed = true;
  try {
    await client.query(`SET lock_timeout = ${ANSWER_MS - 100}`);
    await client.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [name]);
    const result = await work();
    await client.query("SELECT pg_advisory_unlock_all()");
    failed = false;
    return result;
  } finally {
    // Closing the session gives the lock back in any case.
    client.release(failed);
  }
}

async function warningsOfPostgres(pool: Pool): Promise<readonly string[]> {
  const setting = async (name: "fsync" | "synchronous_commit"): Promise<unknown> => {
    const { rows } = await pool.query<Record<string, unknown>>(`SHOW ${name}`);
    return rows[0]?.[name];
  };
  const names = ["fsync", "synchronous_commit"] as const;
  const values = await Promise.all(names.map(setting));
  return names
    .filter((_, index) => values[index] === "off")
    .map((name) => `PostgreSQL may lose accepted jobs when it dies: ${name} is off. Set it to on.`);
}
