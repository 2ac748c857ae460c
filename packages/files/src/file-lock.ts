import { mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemCode, toFileError } from "./file-error.ts";
import { formatOwner, isGone, parseOwner, thisProcess } from "./process-owner.ts";

const POLL_MS = 200;
/** A lock is empty only for the moment between its creation and its first write. */
const EMPTY_LOCK_MS = 60_000;
/** A lock of another machine, whose processes cannot be asked. */
const ABANDONED_LOCK_MS = 24 * 60 * 60 * 1000;

/** Removes a lock that a dead process has left. */
async function removeIfStale(path: string): Promise<void> {
  const owner = parseOwner(await readFile(path, "utf8").catch(() => ""));
  const ageMs = await stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  const isStale =
    owner === undefined ? ageMs > EMPTY_LOCK_MS : isGone(owner) || ageMs > ABANDONED_LOCK_MS;
  if (isStale) await rm(path, { force: true });
}

/**
 * Takes a lock that one process at a time can hold; waits until it is free.
 * @throws LatentSyncError `disk_full` or `io`; the signal's reason on abort.
 */
export async function acquireLock(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true });
  for (;;) {
    signal?.throwIfAborted();
    try {
      await using handle = await open(path, "wx");
      await handle.writeFile(formatOwner(thisProcess()));
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw toFileError(error, path);
    }
    await removeIfStale(path);
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {
      signal?.throwIfAborted();
    });
  }
}
