/** What the parts of the job queue suite share. */
import { randomUUID } from "node:crypto";
import { expect, vi } from "vitest";
import type { JobLease, JobQueue, JobQueueLimits, NewJob } from "../jobs/job-queue.ts";
import type { JobEvent, JobEventBody, JobManifest, JobRecord } from "../jobs/job.ts";

export interface JobQueueConformanceOptions {
  /**
   * Opens a handle on the store of that name, and makes the store if it is new. Handles on one
   * store, also one after another, see the same jobs.
   */
  open(store: string, limits: JobQueueLimits): JobQueue | Promise<JobQueue>;
  /** Why the queue cannot be tested here; the suite is then skipped with this in its title. */
  readonly skip?: string | undefined;
}

export type Open = (limits?: JobQueueLimits, store?: string) => Promise<JobQueue>;

/** Generous, as machines may be busy; nothing waits so long that goes well. */
const PATIENCE_MS = 60_000;

export function newJob(values: Partial<NewJob> & { readonly priority?: number } = {}): NewJob {
  const { priority = 0, ...rest } = values;
  return {
    id: randomUUID(),
    owner: "anonymous",
    request: {
      video_in: "https://example.com/video.mp4?signature=a%2Fb",
      audio_in: "https://example.com/speech.wav",
      out: "upload:",
      guidance_scale: 2,
      inference_steps: 20,
      priority,
    },
    ...rest,
  };
}

export const MANIFEST: JobManifest = {
  software: { name: "conformance", version: "1.0.0" },
  model: { name: "model", files: { "unet.pt": "0123" } },
  runtime: { name: "cpu", hardware: "any" },
  settings: { inferenceSteps: 20, guidanceScale: 2, name: "größer" },
  inputs: {
    video_in: { sha256: "aa", sizeBytes: 10 },
    audio_in: { sha256: "bb", sizeBytes: 2 ** 33 },
  },
  output: { sha256: "cc", sizeBytes: 12 },
  frames: 25,
  framesWithoutFace: 1,
  stageSeconds: { download: 0.25, frames: 4.5 },
  cost: { estimated: 0.05, actual: 0.0625 },
};

export const progress = (value: number): JobEventBody => ({
  type: "progress",
  stage: "frames",
  progress: value,
  remainingSeconds: 2,
});

/** Waits for a job, which must come. */
export async function claim(queue: JobQueue): Promise<JobLease> {
  const lease = await queue.claim({ signal: AbortSignal.timeout(PATIENCE_MS) });
  if (lease === undefined) throw new Error(`No job came within ${PATIENCE_MS} ms.`);
  return lease;
}

/** That nothing is to be had now, nor for a while. */
export async function expectNothing(queue: JobQueue, waitMs = 150): Promise<void> {
  const lease = await queue.claim({ signal: AbortSignal.timeout(waitMs) });
  expect(lease?.job).toBeUndefined();
}

export async function find(queue: JobQueue, id: string): Promise<JobRecord> {
  const job = await queue.get(id);
  if (job === undefined) throw new Error(`The job ${id} is gone.`);
  return job;
}

export async function eventsOf(queue: JobQueue, id: string, after = 0): Promise<JobEvent[]> {
  return await collect(queue.events(id, { after }));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Repeats `check` until it passes. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  await vi.waitFor(check, { timeout: PATIENCE_MS, interval: 25 });
}

/** Everything that is known of a job, to see whether it stays as it is. */
export async function everything(queue: JobQueue, id: string): Promise<unknown> {
  return { job: await find(queue, id), events: await eventsOf(queue, id) };
}

/** That a lease gives no rights any more, and that trying changes nothing. */
export async function expectLost(lease: JobLease, queue: JobQueue): Promise<void> {
  const { id } = lease.job;
  const before = await everything(queue, id);
  const error = { code: "runtime", message: "A lost lease speaks." } as const;
  expect((await lease.renew()).held).toBe(false);
  expect(await lease.cancelRequested()).toBe(false);
  expect(await lease.append([progress(0.9), progress(0.95)])).toBe(false);
  expect(await lease.complete(MANIFEST)).toBe(false);
  expect(await lease.fail(error, { retry: false })).toBe(false);
  expect(await lease.fail(error, { retry: true })).toBe(false);
  expect(await lease.release()).toBe(false);
  expect(await everything(queue, id)).toEqual(before);
}

/** `queued`, `processing 1` and so on, as the events tell it. */
export function statusesOf(events: readonly JobEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "status" ? [`${event.status} ${event.attempt}`] : [],
  );
}
