/** A real redis-server in a temporary folder. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { ServerProcess, findFreePort, findProgram } from "./process.ts";

const program = findProgram("redis-server");

/** Why there is no Redis to test with, if so. */
export const redisMissing: string | undefined =
  program === undefined ? "redis-server is not installed" : undefined;

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  /** Stops it in order. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again with the same data on the same port. */
  restart(): Promise<void>;
}

export interface RedisOptions {
  /** Whether there is an append-only file. Default true. */
  readonly appendOnly?: boolean;
  /**
   * When it is flushed. Default `everysec`, which may lose up to 2 s when the process is killed while
   * the disk is busy; `always` loses nothing.
   */
  readonly flush?: "always" | "everysec";
}

export async function startRedis(options: RedisOptions = {}): Promise<TestServer> {
  if (program === undefined) throw new Error(redisMissing);
  const folder = await mkdtemp(join(tmpdir(), "redis-"));
  const port = await findFreePort();
  const url = `redis://127.0.0.1:${port}`;
  const args = [
    ["--port", String(port)],
    ["--bind", "127.0.0.1"],
    ["--dir", folder],
    ["--save", ""],
    ["--appendonly", (options.appendOnly ?? true) ? "yes" : "no"],
    ["--appendfsync", options.flush ?? "everysec"],
  ].flat();
  const start = async (): Promise<ServerProcess> => {
    const server = new ServerProcess(program, args, { cwd: folder });
    await server.ready(async () => {
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
      client.on("error", () => undefined);
      try {
        await client.connect();
        await client.ping();
      } finally {
        client.disconnect();
      }
    });
    return server;
  };
  let server = await start();
  return {
    url,
    stop: () => server.stop("SIGTERM"),
    kill: () => server.stop("SIGKILL"),
    restart: async () => {
      server = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
