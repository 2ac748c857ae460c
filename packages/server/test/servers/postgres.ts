/** A real PostgreSQL server in a temporary folder. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Client } from "pg";
import { ServerProcess, findFreePort, findProgram } from "./process.ts";
import type { TestServer } from "./redis.ts";

/** Debian keeps the programs of each version in a folder of its own. */
function folders(): readonly string[] {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  try {
    const versions = readdirSync("/usr/lib/postgresql").sort((a, b) => Number(b) - Number(a));
    return [...versions.map((version) => `/usr/lib/postgresql/${version}/bin`), ...path];
  } catch {
    return path;
  }
}

const postgres = findProgram("postgres", folders());
const initdb = findProgram("initdb", folders());

/** PostgreSQL refuses to run as root, so that root runs it as another user. */
function user(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number =>
    Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** Why there is no PostgreSQL to test with, if so. */
export const postgresMissing: string | undefined =
  postgres === undefined || initdb === undefined ? "PostgreSQL is not installed" : undefined;

export async function startPostgres(): Promise<TestServer> {
  if (postgres === undefined || initdb === undefined) throw new Error(postgresMissing);
  const folder = await mkdtemp(join(tmpdir(), "postgres-"));
  const owner = user();
  await chmod(folder, 0o700);
  if (owner.uid !== undefined && owner.gid !== undefined) {
    await chown(folder, owner.uid, owner.gid);
  }
  const data = join(folder, "data");
  execFileSync(
    initdb,
    ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
    { ...owner, cwd: folder, stdio: "pipe" },
  );
  const port = await findFreePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const args = [
    ["-D", data, "-p", String(port), "-k", folder, "-h", "127.0.0.1"],
    // The death of the server is tested, not the loss of power: what it has written, the system keeps.
    ["-c", "fsync=off"],
  ].flat();
  const start = async (): Promise<ServerProcess> => {
    const server = new ServerProcess(postgres, args, { cwd: folder, ...owner });
    await server.ready(async () => {
      const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
      client.on("error", () => undefined);
      try {
        await client.connect();
        await client.query("SELECT 1");
      } finally {
        await client.end();
      }
    });
    return server;
  };
  let server = await start();
  return {
    url,
    stop: () => server.stop("SIGINT"),
    kill: () => server.stop("SIGKILL"),
    restart: async () => {
      server = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop("SIGQUIT");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
