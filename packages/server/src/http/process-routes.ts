/** `/process` and `/pubsub`: a job whose end the caller waits for. */
import { z } from "zod";
import { type JobRequest, jobRequestSchema } from "../jobs/job-request.ts";
import type { JobRecord } from "../jobs/job.ts";
import { readJson } from "./body.ts";
import type { AppContext, AppState } from "./context.ts";
import { derivedJobId } from "./job-id.ts";
import { acceptJob, requestedJobId, takeJob } from "./job-intake.ts";
import { ProblemError } from "./problem.ts";
import { type AppMiddleware, type RouteTable, jsonAnswer } from "./route-table.ts";
import { waitForJob } from "./wait-for-job.ts";

interface PushEnvelope {
  readonly message: { readonly data: string; readonly messageId: string };
  readonly subscription?: string | undefined;
}

/** Pub/Sub writes each name in both manners, and adds more over time. */
const pushEnvelopeSchema: z.ZodType<PushEnvelope> = z
  .looseObject({
    message: z.looseObject({
      data: z.string().min(1).describe("The body of a job, as JSON in base64."),
      messageId: z.string().min(1).max(256),
    }),
    subscription: z.string().max(512).optional(),
  })
  .meta({ id: "PushEnvelope" });

const processedSchema = z
  .strictObject({
    status: z.literal("success"),
    message: z.string(),
    video_in: z.string(),
    audio_in: z.string(),
    out: z.string(),
    job_id: z.uuid(),
  })
  .meta({ id: "Processed" });

export function addProcessRoutes(
  table: RouteTable,
  state: AppState,
  before: readonly AppMiddleware[],
): void {
  const responses = { 200: jsonAnswer("The result is stored.", processedSchema) };
  table.add(
    {
      method: "post",
      path: "/process",
      summary: "Create a job and wait for its end",
      description:
        "504 with the job_id if it takes too long: the job goes on. It also goes on if the client goes.",
      request: {
        body: { required: true, content: { "application/json": { schema: jobRequestSchema } } },
      },
      responses,
    },
    async (c) => {
      const { job } = await takeJob(state, c, requestedJobId(c));
      return await answerAtEnd(state, c, job);
    },
    { before },
  );
  table.add(
    {
      method: "post",
      path: "/pubsub",
      summary: "Take a push message of Pub/Sub and wait for the end of its job",
      description: "A message that comes again stands for the same job.",
      request: {
        body: { required: true, content: { "application/json": { schema: pushEnvelopeSchema } } },
      },
      responses,
    },
    async (c) => {
      const { limits } = state;
      const envelope = await readJson({ request: c.req.raw, schema: pushEnvelopeSchema, limits });
      const { messageId } = envelope.message;
      const id = derivedJobId([
        "pubsub",
        c.var.identity.id,
        envelope.subscription ?? "",
        messageId,
      ]);
      const request = await openEnvelope(envelope, state);
      const { job } = await acceptJob(state, c, { id, request });
      return await answerAtEnd(state, c, job);
    },
    { before },
  );
}

function openEnvelope(envelope: PushEnvelope, { limits }: AppState): Promise<JobRequest> {
  const body = Buffer.from(envelope.message.data, "base64");
  const request = new Request("http://envelope/", {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  return readJson({ request, schema: jobRequestSchema, limits });
}

async function answerAtEnd(state: AppState, c: AppContext, job: JobRecord): Promise<Response> {
  const { limits, queue } = state;
  const self = `${c.var.base}/jobs/${job.id}`;
  const late = AbortSignal.timeout(limits.processTimeoutMs);
  const given = [late, c.req.raw.signal, c.env?.draining].filter((signal) => signal !== undefined);
  const ended = await waitForJob(queue, job.id, { signal: AbortSignal.any(given) });
  if (ended?.status === "completed") {
    const { audio_in, out, video_in } = ended.request;
    const message = "The video was processed.";
    return c.json({ status: "success", message, video_in, audio_in, out, job_id: job.id });
  }
  if (ended?.error) {
    const { code, hint, message } = ended.error;
    throw new ProblemError({ code, message, hint, members: { job_id: job.id } });
  }
  const isDraining = c.env?.draining?.aborted === true;
  throw new ProblemError({
    code: isDraining ? "unavailable" : "timeout",
    message: isDraining
      ? `The server stops; job ${job.id} goes on elsewhere or when it is back.`
      : `Job ${job.id} is not done after ${limits.processTimeoutMs / 1000} s. It goes on.`,
    hint: `Ask for it at ${self}, or send the same request again to go on waiting.`,
    headers: { location: self },
    members: { job_id: job.id },
  });
}
