import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openQueue } from "../../src/jobs/open-queue.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sqlite-queue-"));
  path = join(folder, "jobs.sqlite");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("the SQLite queue's file", () => {
  it("holds every job that was accepted before a kill -9", async () => {
    const program = fileURLToPath(new URL("./add-jobs.worker.ts", import.meta.url));
    const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    let errors = "";
    child.stdout.on("data", (data: Buffer) => {
      printed += data.toString();
      if (printed.split("\n").length > 300) child.kill("SIGKILL");
    });
    child.stderr.on("data", (data: Buffer) => {
      errors += data.toString();
    });
    await once(child, "close");
    expect(errors).toBe("");
    const ids = printed.split("\n").slice(0, -1);
    expect(ids.length).toBeGreaterThan(250);
    await using queue = openSqliteQueue({ path });
    const kept = await queue.list({ limit: 1_000_000 });
    const known = new Set(kept.map(({ id }) => id));
    expect(ids.filter((id) => !known.has(id))).toEqual([]);
    expect((await queue.counts()).queued).toBe(kept.length);
  });

  it("can be read by its owner alone", async () => {
    await using _queue = openSqliteQueue({ path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  });

  it("is refused if a newer version wrote it", async () => {
    await openSqliteQueue({ path })[Symbol.asyncDispose]();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(() => openSqliteQueue({ path })).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
  });

  it("is refused if it is another program's, and left as it is", () => {
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE letters (text TEXT)");
    database.close();
    expect(() => openSqliteQueue({ path })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
    writeFileSync(join(folder, "text"), "This is a letter, not a database. ".repeat(40));
    expect(() => openSqliteQueue({ path: join(folder, "text") })).toThrow(
      expect.objectContaining({ code: "io" }),
    );
    expect(() => openSqliteQueue({ path: join(folder, "nowhere", "jobs.sqlite") })).toThrow(
      expect.objectContaining({ code: "io" }),
    );
  });

  it("answers that it is unavailable while another process keeps it, and goes on afterwards", async () => {
    await using queue = openSqliteQueue({ path });
    const database = new DatabaseSync(path);
    database.exec("BEGIN IMMEDIATE");
    await expect(queue.cancel("any")).rejects.toMatchObject({ code: "unavailable" });
    database.exec("ROLLBACK");
    database.close();
    expect(await queue.cancel("any")).toBeUndefined();
  });

  it("lies in the data folder unless a URL says otherwise", async () => {
    const dataFolder = join(folder, "new", "data");
    await using _queue = await openQueue({ dataFolder });
    expect(statSync(join(dataFolder, "jobs.sqlite")).isFile()).toBe(true);
    await expect(openQueue({ dataFolder, url: "http://localhost" })).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });
});

describe("queue limits", () => {
  it.each([
    { maxQueued: 0 },
    { maxAttempts: 1.5 },
    { leaseMs: 1 },
    { backoffMs: -1 },
    { retentionMs: Number.NaN },
  ])("refuses %o", (limits) => {
    expect(() => openSqliteQueue({ path, limits })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });
});
