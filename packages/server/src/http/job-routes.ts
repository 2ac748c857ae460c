/** `/jobs`: create, ask, list, cancel, follow. */
import { z } from "zod";
import { jobRequestSchema } from "../jobs/job-request.ts";
import type { JobEvent, JobRecord } from "../jobs/job.ts";
import { type AppContext, type AppState, audit, visibleOwner } from "./context.ts";
import { eventFrames, lazyBody, logLines } from "./event-stream.ts";
import { uuidPattern } from "./job-id.ts";
import { jobNotFound, pathId, requestedJobId, takeJob, visibleJob } from "./job-intake.ts";
import { createProgressReader } from "./job-progress.ts";
import {
  acceptedJob,
  acceptedJobSchema,
  jobListSchema,
  jobViewSchema,
  viewJob,
} from "./job-view.ts";
import { ProblemError } from "./problem.ts";
import { type AppMiddleware, type RouteTable, jsonAnswer } from "./route-table.ts";

const DEFAULT_LIST_LENGTH = 50;
const MAX_LIST_LENGTH = 200;

const idParameter = z.object({ id: z.uuid().describe("Id of the job.") });

const jobBody = {
  required: true,
  content: { "application/json": { schema: jobRequestSchema } },
} as const;

const listQuerySchema = z.object({
  status: z.enum(["queued", "processing", "completed", "failed"]).optional(),
  dead_letter: z
    .stringbool()
    .optional()
    .meta({ type: "boolean", description: "Only jobs that failed on their last attempt." }),
  limit: z.coerce.number().int().min(1).max(MAX_LIST_LENGTH).default(DEFAULT_LIST_LENGTH),
});

export function addJobRoutes(
  table: RouteTable,
  state: AppState,
  guards: { readonly read: readonly AppMiddleware[]; readonly create: readonly AppMiddleware[] },
): void {
  addCreation(table, state, guards.create);
  addReading(table, state, guards.read);
  addStreams(table, state, guards.read);
}

function addCreation(table: RouteTable, state: AppState, before: readonly AppMiddleware[]): void {
  const answer = async (c: AppContext, id: string) => {
    const { job, created } = await takeJob(state, c, id);
    const body = acceptedJob(job, c.var.base);
    return c.json(body, 202, {
      location: body._links.self,
      ...(!created && { "idempotent-replayed": "true" }),
    });
  };
  table.add(
    {
      method: "post",
      path: "/jobs",
      summary: "Create a job",
      request: {
        headers: z.object({
          "idempotency-key": z
            .string()
            .min(1)
            .max(255)
            .optional()
            .describe("The same key with the same body is the same job."),
        }),
        body: jobBody,
      },
      responses: { 202: jsonAnswer("The job is accepted.", acceptedJobSchema) },
    },
    (c) => answer(c, requestedJobId(c)),
    { before },
  );
  table.add(
    {
      method: "put",
      path: "/jobs/{id}",
      summary: "Create a job under an id of the client's choice, once",
      request: { params: idParameter, body: jobBody },
      responses: { 202: jsonAnswer("The job is accepted.", acceptedJobSchema) },
    },
    (c) => {
      const id = pathId(c);
      if (uuidPattern.test(id)) return answer(c, id);
      throw new ProblemError({
        code: "invalid_argument",
        status: 400,
        message: `A job's id must be a UUID, not ${JSON.stringify(id.slice(0, 80))}.`,
      });
    },
    { before },
  );
}

function addReading(table: RouteTable, state: AppState, before: readonly AppMiddleware[]): void {
  const progress = createProgressReader(state.queue);
  const view = async (c: AppContext, job: JobRecord) =>
    viewJob(job, {
      base: c.var.base,
      ...(job.status === "processing" && { progress: await progress.read(job.id) }),
      ...(job.finishedAt === undefined && { estimate: state.estimate?.(job.request) }),
    });
  table.add(
    {
      method: "get",
      path: "/jobs",
      summary: "List jobs, newest first",
      request: { query: listQuerySchema },
      responses: { 200: jsonAnswer("The caller's jobs; all for administrators.", jobListSchema) },
    },
    async (c) => {
      const { dead_letter: deadLetter, limit, status } = readQuery(c);
      const owner = visibleOwner(c.var.identity);
      const jobs = await state.queue.list({
        limit,
        ...(owner !== undefined && { owner }),
        ...(status && { status }),
        ...(deadLetter !== undefined && { deadLetter }),
      });
      return c.json({ jobs: await Promise.all(jobs.map((job) => view(c, job))) });
    },
    { before },
  );
  table.add(
    {
      method: "get",
      path: "/jobs/{id}",
      summary: "Ask for a job",
      request: { params: idParameter },
      responses: { 200: jsonAnswer("The job.", jobViewSchema) },
    },
    async (c) => c.json(await view(c, await visibleJob(state, c))),
    { before },
  );
  const cancel = async (c: AppContext) => {
    const { id, status } = await visibleJob(state, c);
    const job = await state.queue.cancel(id);
    if (!job) throw jobNotFound(id);
    // A job that a worker holds is ended, and told of, by that worker.
    if (status === "queued" && job.finishedAt !== undefined) state.ended?.(job);
    audit(state, c, { action: "job.cancel", outcome: "done", jobId: id });
    return c.json(await view(c, job), job.finishedAt === undefined ? 202 : 200);
  };
  const cancelled = {
    request: { params: idParameter },
    responses: {
      200: jsonAnswer("The job has ended.", jobViewSchema),
      202: jsonAnswer("The job ends as soon as its worker sees it.", jobViewSchema),
    },
  };
  table.add(
    { method: "delete", path: "/jobs/{id}", summary: "Cancel a job", ...cancelled },
    cancel,
    { before },
  );
  table.add(
    { method: "post", path: "/jobs/{id}/cancel", summary: "Cancel a job", ...cancelled },
    cancel,
    { before },
  );
}

function readQuery(c: AppContext): z.infer<typeof listQuerySchema> {
  const result = listQuerySchema.safeParse(c.req.query());
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({
    path: `/${path.join("/")}`,
    message,
  }));
  throw new ProblemError({
    code: "invalid_argument",
    status: 400,
    message: `The query does not fit: ${errors.map(({ path, message }) => `${path.slice(1)}: ${message}`).join("; ")}.`,
    members: { errors },
  });
}

function addStreams(table: RouteTable, state: AppState, before: readonly AppMiddleware[]): void {
  table.add(
    {
      method: "get",
      path: "/jobs/{id}/log",
      summary: "Read a job's log",
      request: {
        params: idParameter,
        query: z.object({
          follow: z.enum(["0", "1"]).optional().describe("1: go on until the job ends."),
        }),
      },
      responses: {
        200: {
          description: "Lines: time, level, message.",
          content: { "text/plain": { schema: z.string() } },
        },
      },
    },
    async (c) => {
      const job = await visibleJob(state, c);
      const follow = ["1", "true"].includes(c.req.query("follow") ?? "");
      return streamed(state, c, {
        contentType: "text/plain; charset=utf-8",
        parts: (signal) => logLines(state.queue.events(job.id, { follow, signal })),
      });
    },
    { before },
  );
  table.add(
    {
      method: "get",
      path: "/jobs/{id}/events",
      summary: "Follow a job by server-sent events",
      description:
        "Events status, progress and log, and end as the last. With Last-Event-ID only later ones; 204 if there are none to come.",
      request: {
        params: idParameter,
        headers: z.object({ "last-event-id": z.string().optional() }),
      },
      responses: {
        200: {
          description: "Events; their data is JSON.",
          content: { "text/event-stream": { schema: z.string() } },
        },
        204: { description: "The job has ended and the client knows all of it." },
      },
    },
    async (c) => {
      const job = await visibleJob(state, c);
      const after = lastEventId(c);
      const { queue, limits } = state;
      if (after > 0 && job.finishedAt !== undefined) {
        const isOver = await isEmpty(queue.events(job.id, { after }));
        if (isOver) return c.body(null, 204);
      }
      return streamed(state, c, {
        contentType: "text/event-stream",
        parts: (signal) =>
          eventFrames(queue.events(job.id, { after, follow: true, signal }), {
            heartbeatMs: limits.heartbeatMs,
            finished: () => queue.get(job.id),
            signal,
          }),
      });
    },
    { before },
  );
}

function lastEventId(c: AppContext): number {
  const id = Number(c.req.header("last-event-id") ?? 0);
  return Number.isSafeInteger(id) && id > 0 ? id : 0;
}

async function isEmpty(events: AsyncIterable<JobEvent>): Promise<boolean> {
  for await (const _ of events) return false;
  return true;
}

/** A text that is sent while it comes into being; ends with the request or the server. */
function streamed(
  state: AppState,
  c: AppContext,
  stream: {
    readonly contentType: string;
    readonly parts: (signal: AbortSignal) => AsyncIterable<string>;
  },
): Response {
  const headers = {
    "content-type": stream.contentType,
    "cache-control": "no-store",
    // Proxies of the nginx kind would collect the parts.
    "x-accel-buffering": "no",
  };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const giveBack = state.takeStream();
  const end = new AbortController();
  const draining = c.env?.draining;
  const abort = () => {
    end.abort();
    draining?.removeEventListener("abort", abort);
    giveBack();
  };
  draining?.addEventListener("abort", abort);
  if (draining?.aborted === true) abort();
  return c.body(lazyBody(stream.parts(end.signal), { abort }), 200, headers);
}
