/** Waiting for a job's end. */
import type { JobQueue } from "../jobs/job-queue.ts";
import type { JobRecord } from "../jobs/job.ts";

/** The job once it has ended; `undefined` if `signal` aborts before, or the job is gone. */
export async function waitForJob(
  queue: Pick<JobQueue, "events" | "get">,
  id: string,
  options: { readonly signal: AbortSignal },
): Promise<JobRecord | undefined> {
  const { signal } = options;
  let after = 0;
  while (!signal.aborted) {
    const job = await queue.get(id);
    if (!job || job.finishedAt !== undefined) return job;
    // Events end with the job; only then is it worth looking again.
    for await (const event of queue.events(id, { after, follow: true, signal })) after = event.id;
  }
  return undefined;
}
