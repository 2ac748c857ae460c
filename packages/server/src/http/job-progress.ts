/** The newest progress of jobs, read from their events: each time only those since the last. */
import type { JobQueue } from "../jobs/job-queue.ts";
import type { JobProgress } from "./job-view.ts";

export interface ProgressReader {
  read(id: string): Promise<JobProgress | undefined>;
}

/** Jobs whose position is remembered. */
const MAX_JOBS = 1000;

export function createProgressReader(queue: Pick<JobQueue, "events">): ProgressReader {
  const known = new Map<string, { readonly after: number; readonly progress?: JobProgress }>();
  return {
    async read(id) {
      let { after, progress } = known.get(id) ?? { after: 0, progress: undefined };
      for await (const event of queue.events(id, { after })) {
        after = event.id;
        if (event.type === "status") progress = undefined;
        if (event.type !== "progress") continue;
        progress = {
          stage: event.stage,
          progress: event.progress,
          ...(event.remainingSeconds !== undefined && {
            remaining_seconds: event.remainingSeconds,
          }),
        };
      }
      known.delete(id);
      known.set(id, { after, ...(progress && { progress }) });
      const oldest = known.keys().next();
      if (known.size > MAX_JOBS && !oldest.done) known.delete(oldest.value);
      return progress;
    },
  };
}
