/** The real app with the page, a queue and uploads, and a worker that a test steers. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createApiKeyAuthenticator } from "../../src/auth/api-key.ts";
import { createApp } from "../../src/http/app.ts";
import { listen } from "../../src/http/listen.ts";
import type { Authenticate } from "../../src/http/services.ts";
import type { JobLease, JobQueue } from "../../src/jobs/job-queue.ts";
import type { JobError, JobManifest } from "../../src/jobs/job.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";
import { createPage } from "../../src/page/page.ts";
import { createUploadStorage, type UploadStorage } from "../../src/storage/upload-storage.ts";

export interface PageService extends AsyncDisposable {
  readonly url: string;
  readonly queue: JobQueue;
  readonly uploads: UploadStorage;
}

/** What the worker does with the next jobs. */
export interface WorkerPlan {
  /** The result that it stores. */
  readonly resultPath: string;
  /** How far it goes before it waits for the job to be cancelled; 1: to the end. */
  stopAt: number;
  /** The job fails with it. */
  error?: JobError;
}

export async function startPageService(options: {
  readonly folder: string;
  readonly plan: WorkerPlan;
  readonly authenticate?: Authenticate;
}): Promise<PageService> {
  const queue = openSqliteQueue({ path: join(options.folder, "jobs.sqlite") });
  const uploads = createUploadStorage({ folder: join(options.folder, "uploads") });
  const app = createApp({
    queue,
    uploads,
    authenticate: options.authenticate ?? (async () => ({ id: "anonymous", role: "user" })),
    checkLocations: async () => {},
    health: { state: () => "ready", checkWeights: async () => [] },
    page: createPage(),
    version: "0.0.0",
  });
  const listening = await listen({ app, port: 0, host: "127.0.0.1" });
  const stop = new AbortController();
  const working = work({ queue, uploads, plan: options.plan, signal: stop.signal });
  return {
    url: `${listening.url}/`,
    queue,
    uploads,
    async [Symbol.asyncDispose]() {
      await listening.close({ drainMs: 0 });
      stop.abort();
      await working;
      await queue[Symbol.asyncDispose]();
    },
  };
}

export const keyHolder = (key: string): Authenticate =>
  createApiKeyAuthenticator({
    keys: [{ id: "ann", sha256: createHash("sha256").update(key).digest("hex"), role: "user" }],
  });

interface Work {
  readonly queue: JobQueue;
  readonly uploads: UploadStorage;
  readonly plan: WorkerPlan;
  readonly signal: AbortSignal;
}

async function work(options: Work): Promise<void> {
  for (;;) {
    const lease = await options.queue.claim({ signal: options.signal });
    if (!lease) return;
    await attempt(lease, options);
  }
}

async function attempt(lease: JobLease, { plan, signal, uploads }: Work): Promise<void> {
  const log = (message: string) => lease.append([{ type: "log", level: "info", message }]);
  await log("fetched video_in, 0.1 MB");
  await log("fetched audio_in, 0.1 MB");
  for (let share = 0.1; share < plan.stopAt; share += 0.15) {
    const remainingSeconds = Math.round(60 * (1 - share));
    await lease.append([{ type: "progress", stage: "frames", progress: share, remainingSeconds }]);
    await log(`segment ${Math.round(share * 10)} of 10 done`);
  }
  while (plan.stopAt < 1 && !signal.aborted) {
    const { cancelRequested } = await lease.renew();
    if (cancelRequested) {
      await lease.fail({ code: "cancelled", message: "Called off." }, { retry: false });
      return;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  if (plan.error) {
    await lease.fail(plan.error, { retry: false });
    return;
  }
  await lease.complete(await store(lease, uploads, plan.resultPath));
}

async function store(lease: JobLease, uploads: UploadStorage, path: string): Promise<JobManifest> {
  const sha256 = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  const { size: sizeBytes } = await stat(path);
  const file = { path, sizeBytes, sha256, contentType: "video/mp4" };
  await uploads.put(new URL(`upload:${lease.job.id}`), file);
  return {
    software: { name: "test", version: "0" },
    model: { name: "test", files: {} },
    runtime: { name: "test", hardware: "test" },
    settings: {},
    inputs: { video_in: { sha256, sizeBytes }, audio_in: { sha256, sizeBytes } },
    output: { sha256, sizeBytes },
    frames: 50,
    framesWithoutFace: 0,
    stageSeconds: {},
  };
}
