/** The queue that a deployment names: SQLite, unless a URL says otherwise. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { JobQueue, JobQueueLimits } from "./job-queue.ts";

export interface OpenQueueOptions {
  /** `redis:`, `rediss:`, `postgres:` or `postgresql:`. Default: SQLite in the data folder. */
  readonly url?: string | undefined;
  /** Where `jobs.sqlite` lies; made if it is missing. */
  readonly dataFolder: string;
  readonly limits?: JobQueueLimits | undefined;
  /** Is told how the server of `url` should be set so that nothing is lost. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * @throws LatentSyncError `io` if the folder or file cannot be used, `invalid_argument` for a URL of
 * another kind, `unavailable` if its server does not answer within 2 s.
 */
export async function openQueue(options: OpenQueueOptions): Promise<JobQueue> {
  const { url, dataFolder, limits, onWarning } = options;
  // Each is loaded only where it is used: Node 22 warns of SQLite's when it is loaded.
  if (url !== undefined) {
    const { openBullmqQueue } = await import("./bullmq-queue.ts");
    return await openBullmqQueue({ url, limits, onWarning });
  }
  try {
    await mkdir(dataFolder, { recursive: true });
  } catch (cause) {
    throw new LatentSyncError("io", `The data folder ${dataFolder} cannot be made.`, {
      cause,
      hint: "Name another folder, or let this user write there.",
    });
  }
  const { openSqliteQueue } = await import("./sqlite-queue.ts");
  return openSqliteQueue({ path: join(dataFolder, "jobs.sqlite"), limits });
}
