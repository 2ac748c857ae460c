/** Writing to SQLite: what is asked for in one turn of the event loop shares one commit. */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate, setTimeout } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";

/** How long another process may keep the file before a write is given up. */
const PATIENCE_MS = 1800;
const RETRY_MS = 10;

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_FULL = 13;

interface Write {
  /** Does the work; what it returns is called once the commit is safe. */
  run(): () => void;
  reject(reason: unknown): void;
}

export class SqliteWriter {
  readonly #database: DatabaseSync;
  #pending: Write[] = [];
  #flushing: Promise<void> | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Does `work` in a transaction and resolves once it is on the disk. `work` may throw a
   * `LatentSyncError` before it has changed anything; that concerns its caller alone.
   * @throws LatentSyncError `unavailable` if other processes keep the file, `disk_full`, `io`.
   */
  write<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#pending.push({
      run: () => {
        const value = work();
        return () => {
          resolve(value);
        };
      },
      reject,
    });
    this.#flushing ??= this.#flush();
    return promise;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  async #flush(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        await setImmediate();
        await this.#commitPending();
      }
    } finally {
      this.#flushing = undefined;
    }
  }

  async #commitPending(): Promise<void> {
    let writes: Write[] = [];
    try {
      await this.#begin();
      writes = this.#pending.splice(0);
      const finished = writes.flatMap((write) => attempt(write));
      this.#database.exec("COMMIT");
      for (const tell of finished) tell();
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      const reason = toLatentSyncError(error);
      for (const write of [...writes, ...this.#pending.splice(0)]) write.reject(reason);
    }
  }

  async #begin(): Promise<void> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        this.#database.exec("BEGIN IMMEDIATE");
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() > giveUpAt) throw error;
      }
      await setTimeout(RETRY_MS);
    }
  }
}

function attempt(write: Write): readonly (() => void)[] {
  try {
    return [write.run()];
  } catch (error) {
    if (!LatentSyncError.is(error)) throw error;
    write.reject(error);
    return [];
  }
}

/** Primary result code of SQLite, or 0. */
function resultCode(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
}

function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

export function toLatentSyncError(error: unknown): LatentSyncError {
  if (LatentSyncError.is(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (isBusy(error)) {
    return new LatentSyncError("unavailable", "The job database is kept by another process.", {
      cause: error,
      hint: "Try again later; if it lasts, look for a process that hangs with the file open.",
    });
  }
  if (resultCode(error) === SQLITE_FULL) {
    return new LatentSyncError("disk_full", "The disk with the job database is full.", {
      cause: error,
      hint: "Free some space on the disk of the data folder.",
    });
  }
  return new LatentSyncError("io", `The job database failed: ${reason}.`, {
    cause: error,
    hint: "Check the disk of the data folder; the database may be damaged.",
  });
}
