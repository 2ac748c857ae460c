/** The file behind the SQLite queue: how it is opened, what is in it, and which versions it had. */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { LatentSyncError } from "@ls/core";

/** Marks the file as ours: "LSJQ". */
const APPLICATION_ID = 0x4c_53_4a_51;

/** How long SQLite itself waits for another process; the thread stands still meanwhile. */
const BUSY_TIMEOUT_MS = 20;
/** While the file is opened nothing else is under way, and another process may be creating it. */
const OPEN_TIMEOUT_MS = 2000;

/** Each entry brings the schema from the version of its index to the next. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    owner TEXT NOT NULL,
    priority INTEGER NOT NULL,
    request TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    available_at INTEGER NOT NULL,
    deadline_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease_token TEXT,
    lease_until INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    dead_letter INTEGER NOT NULL DEFAULT 0,
    last_event INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    manifest TEXT,
    traceparent TEXT
  ) STRICT;
  CREATE INDEX jobs_waiting ON jobs (priority DESC, seq, available_at) WHERE status = 'queued';
  CREATE INDEX jobs_available ON jobs (available_at) WHERE status = 'queued';
  CREATE INDEX jobs_leased ON jobs (lease_until) WHERE status = 'processing';
  CREATE INDEX jobs_unfinished ON jobs (owner) WHERE status IN ('queued', 'processing');
  CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
  CREATE INDEX jobs_owner ON jobs (owner, seq);
  CREATE INDEX jobs_status ON jobs (status, dead_letter, seq);
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (job, id)
  ) STRICT;`,
];

/**
 * Opens or creates the database. Every commit is flushed to the disk (`synchronous = FULL`), as
 * with less a power failure could take back jobs that were accepted; commits are shared, so that
 * it costs little. Requests may hold signed URLs: the file can be read by its owner only.
 * @throws LatentSyncError `unsupported` if a newer version wrote it, `invalid_argument` if it is
 * another program's, `io` if it cannot be opened.
 */
export function openSqliteDatabase(path: string): DatabaseSync {
  const database = open(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${OPEN_TIMEOUT_MS}`);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    migrate(database, path);
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return database;
  } catch (error) {
    database.close();
    throw LatentSyncError.is(error) ? error : unusable(path, error);
  }
}

function open(path: string): DatabaseSync {
  try {
    if (path !== ":memory:") closeSync(openSync(path, "a", 0o600));
    return new DatabaseSync(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): LatentSyncError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LatentSyncError("io", `The job database ${path} cannot be opened: ${reason}.`, {
    cause,
    hint: "Check that the folder exists, is on a local disk, and may be written by this user.",
  });
}

function migrate(database: DatabaseSync, path: string): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    const version = pragma(database, "user_version");
    const application = pragma(database, "application_id");
    const empty = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
    if (application !== APPLICATION_ID && !empty) {
      throw new LatentSyncError("invalid_argument", `${path} is not a job database.`, {
        hint: "Name another file; this one belongs to another program.",
      });
    }
    if (version > MIGRATIONS.length) {
      throw new LatentSyncError(
        "unsupported",
        `The job database ${path} has schema version ${version}; this program knows ${MIGRATIONS.length}.`,
        { hint: "Update this program, or name another file." },
      );
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function pragma(database: DatabaseSync, name: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}
