/** From a request for a job to an accepted job. */
import { isDeepStrictEqual } from "node:util";
import { LatentSyncError } from "@ls/core";
import { type JobRequest, jobRequestSchema } from "../jobs/job-request.ts";
import type { JobRecord } from "../jobs/job.ts";
import { isUpload, UPLOAD } from "../storage/upload-location.ts";
import { readJson } from "./body.ts";
import { type AppContext, type AppState, audit, visibleOwner } from "./context.ts";
import { derivedJobId, randomJobId, uuidPattern } from "./job-id.ts";
import { ProblemError } from "./problem.ts";

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;
const MAX_KEY_LENGTH = 255;
/** An acceptance asks the queue more than once; where it hangs, the waits must not add up. */
const ACCEPT_MS = 1900;

/** Reads and accepts the job that the body asks for, under the id that the request stands for. */
export async function takeJob(
  state: AppState,
  c: AppContext,
  id: string,
): Promise<{ readonly job: JobRecord; readonly created: boolean }> {
  const request = await readJson({
    request: c.req.raw,
    schema: jobRequestSchema,
    limits: state.limits,
  });
  return acceptJob(state, c, { id, request });
}

/**
 * Checks a request and gives it to the queue.
 * @throws LatentSyncError as the queue and `checkLocations`; `conflict` if the id stands for another
 * request; `not_found` if it is somebody else's.
 */
export async function acceptJob(
  state: AppState,
  c: AppContext,
  job: { readonly id: string; readonly request: JobRequest },
): Promise<{ readonly job: JobRecord; readonly created: boolean }> {
  try {
    const accepted = await inTime((late) => addJob(state, c, { ...job, late }));
    if (accepted.created) audit(state, c, { action: "job.create", outcome: "done", jobId: job.id });
    return accepted;
  } catch (error) {
    const code = LatentSyncError.is(error) ? error.code : "internal";
    audit(state, c, { action: "job.create", outcome: "refused", jobId: job.id, code });
    throw error;
  }
}

/** `late` aborts when the answer has been given without the work. @throws LatentSyncError `unavailable`. */
async function inTime<T>(work: (late: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new LatentSyncError("unavailable", "The job queue does not answer in time.", {
      hint: "Try again later.",
    });
    late.abort(error);
    reject(error);
  }, ACCEPT_MS);
  try {
    return await Promise.race([work(late.signal), promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function addJob(
  state: AppState,
  c: AppContext,
  job: { readonly id: string; readonly request: JobRequest; readonly late: AbortSignal },
): Promise<{ readonly job: JobRecord; readonly created: boolean }> {
  const { id, request, late } = job;
  const { identity } = c.var;
  const known = await state.queue.get(id);
  if (known) {
    checkSame(known, { owner: identity.id, request });
    return { job: known, created: false };
  }
  await checkUploads(state, request, visibleOwner(identity));
  await state.checkLocations(request, { signal: c.req.raw.signal });
  const traceparent = c.req.header("traceparent");
  const add = () => {
    // Whoever was told that the job could not be accepted should not find it.
    late.throwIfAborted();
    return state.queue.add({
      id,
      request,
      owner: identity.id,
      ...(request.deadline_seconds !== undefined && {
        deadlineAt: new Date(Date.now() + request.deadline_seconds * 1000).toISOString(),
      }),
      ...(traceparent !== undefined && TRACEPARENT.test(traceparent) && { traceparent }),
    });
  };
  const maxUnfinished = identity.quota?.maxUnfinished;
  const accepted =
    maxUnfinished === undefined
      ? await add()
      : await state.inTurn(identity.id, async () => {
          await checkShare(state, { id, owner: identity.id, maxUnfinished });
          return add();
        });
  if (!accepted.created) checkSame(accepted.job, { owner: identity.id, request });
  return accepted;
}

async function checkUploads(
  state: AppState,
  request: JobRequest,
  owner: string | undefined,
): Promise<void> {
  if (isUpload(request.out) && request.out !== UPLOAD) {
    throw new ProblemError({
      code: "invalid_argument",
      message: `out must be "${UPLOAD}" alone for the server's own storage, not ${JSON.stringify(request.out.slice(0, 80))}.`,
    });
  }
  const { uploads } = state;
  for (const field of ["video_in", "audio_in", "out"] as const) {
    const location = request[field];
    if (!isUpload(location)) continue;
    if (!uploads) {
      throw new ProblemError({
        code: "unsupported",
        status: 422,
        message: `${field} names an upload, but this server keeps no files itself.`,
        hint: "Use an https, gs or s3 URL.",
      });
    }
    if (field === "out") continue;
    const found = await uploads.find(location.slice(UPLOAD.length), {
      ...(owner !== undefined && { owner }),
    });
    if (found) continue;
    throw new ProblemError({
      code: "not_found",
      status: 422,
      message: `${field} names an upload that does not exist.`,
      hint: "Upload the file again with PUT /uploads; uploads are kept for a limited time.",
    });
  }
}

/** Whether the owner's share has room. Exact within this process only. */
async function checkShare(
  { queue }: AppState,
  share: { readonly id: string; readonly owner: string; readonly maxUnfinished: number },
): Promise<void> {
  const { id, owner, maxUnfinished } = share;
  const limit = maxUnfinished;
  const unfinished = [
    ...(await queue.list({ owner, status: "queued", limit })),
    ...(await queue.list({ owner, status: "processing", limit })),
  ];
  if (unfinished.length < maxUnfinished || unfinished.some((job) => job.id === id)) return;
  throw new ProblemError({
    code: "exhausted",
    message: `${maxUnfinished} jobs of ${JSON.stringify(owner)} are unfinished, which is its limit.`,
    hint: "Wait until one ends, or cancel one.",
  });
}

function checkSame(
  job: JobRecord,
  asked: { readonly owner: string; readonly request: JobRequest },
): void {
  if (job.owner !== asked.owner) throw jobNotFound(job.id);
  if (isDeepStrictEqual(withoutUndefined(job.request), withoutUndefined(asked.request))) return;
  throw new ProblemError({
    code: "conflict",
    message: `Job ${job.id} was created under the same key or id with another body.`,
    hint: "Send the same body again, or use another key.",
    members: { job_id: job.id },
  });
}

function withoutUndefined(request: JobRequest): Record<string, unknown> {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}

export function jobNotFound(id: string): ProblemError {
  return new ProblemError({
    code: "not_found",
    message: `There is no job ${JSON.stringify(id.slice(0, 80))}.`,
    hint: "Finished jobs are kept for a limited time.",
  });
}

/** The id of a new job: derived from `Idempotency-Key` if the request has one. */
export function requestedJobId(c: AppContext): string {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return randomJobId();
  if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
    throw new ProblemError({
      code: "invalid_argument",
      status: 400,
      message: `Idempotency-Key must have 1 to ${MAX_KEY_LENGTH} characters, not ${key.length}.`,
    });
  }
  return derivedJobId(["idempotency-key", c.var.identity.id, key]);
}

/** The job of the path, if the caller may see it. */
export async function visibleJob(state: AppState, c: AppContext): Promise<JobRecord> {
  const id = pathId(c);
  if (!uuidPattern.test(id)) throw jobNotFound(id);
  const job = await state.queue.get(id);
  const owner = visibleOwner(c.var.identity);
  if (!job || (owner !== undefined && job.owner !== owner)) throw jobNotFound(id);
  return job;
}

/** Id in the path, in lower case. */
export function pathId(c: AppContext): string {
  return (c.req.param("id") ?? "").toLowerCase();
}
