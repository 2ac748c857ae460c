/** Jobs as clients see them. */
import { z } from "zod";
import { parametersOf } from "../jobs/job-footage.ts";
import { type JobParameters, jobParametersSchema, type JobRequest } from "../jobs/job-request.ts";
import type { JobRecord, JobStatus } from "../jobs/job.ts";
import { UPLOAD } from "../storage/upload-location.ts";

interface JobInputs {
  readonly urls: { readonly video_in: string; readonly audio_in: string; readonly out: string };
  readonly parameters: JobParameters;
}

export interface AcceptedJob extends JobInputs {
  readonly job_id: string;
  readonly status: "processing";
  readonly created_at: string;
  readonly _links: { readonly self: string; readonly log: string };
}

export interface JobProgress {
  readonly stage: string;
  /** Whole job, 0 to 1. */
  readonly progress: number;
  readonly remaining_seconds?: number | undefined;
}

export interface JobEstimate {
  readonly seconds: number;
  readonly dollars?: number | undefined;
}

/** A job as `GET /jobs/{id}` tells it. */
export interface JobView extends JobInputs {
  readonly job_id: string;
  readonly status: JobStatus;
  readonly created_at: string;
  readonly updated_at: string;
  readonly started_at?: string | undefined;
  readonly deadline_at?: string | undefined;
  readonly error?: string | undefined;
  readonly error_code?: string | undefined;
  readonly error_hint?: string | undefined;
  readonly metadata: {
    readonly processing_time?: number | undefined;
    readonly completed_at?: string | undefined;
  };
  readonly progress?: JobProgress | undefined;
  readonly estimate?: JobEstimate | undefined;
  readonly attempts: number;
  readonly cancel_requested: boolean;
  readonly dead_letter: boolean;
  readonly manifest?: Readonly<Record<string, unknown>> | undefined;
  readonly _links: Readonly<Record<string, string>>;
}

export interface JobList {
  readonly jobs: readonly JobView[];
}

const time = z.iso.datetime();
const status = z.enum(["queued", "processing", "completed", "failed"]);
const links = z.record(z.string(), z.string());
const urls = z.object({ video_in: z.string(), audio_in: z.string(), out: z.string() });

/** Answer to an accepted job. */
export const acceptedJobSchema: z.ZodType<AcceptedJob> = z
  .strictObject({
    job_id: z.uuid(),
    status: z.literal("processing"),
    created_at: time,
    urls,
    parameters: jobParametersSchema,
    _links: z.strictObject({ self: z.string(), log: z.string() }),
  })
  .meta({ id: "AcceptedJob" });

export const jobViewSchema: z.ZodType<JobView> = z
  .strictObject({
    job_id: z.uuid(),
    status: status.describe("A cancelled job is failed with the error_code cancelled."),
    created_at: time,
    updated_at: time,
    started_at: time.optional().describe("When the last attempt started."),
    deadline_at: time.optional(),
    error: z.string().optional().describe("What failed, for people."),
    error_code: z.string().optional().describe("Stable word for programs."),
    error_hint: z.string().optional().describe("What can be done about it."),
    metadata: z.strictObject({
      processing_time: z
        .number()
        .optional()
        .describe("Seconds from the start of the last attempt to the end."),
      completed_at: time.optional().describe("When it was completed, failed or was cancelled."),
    }),
    progress: z
      .strictObject({
        stage: z.string(),
        progress: z.number().min(0).max(1),
        remaining_seconds: z.number().optional(),
      })
      .optional()
      .describe("Of a job that is being processed."),
    estimate: z
      .strictObject({ seconds: z.number(), dollars: z.number().optional() })
      .optional()
      .describe("What an unfinished job is expected to take."),
    attempts: z.int(),
    cancel_requested: z.boolean(),
    dead_letter: z
      .boolean()
      .describe("It failed on its last attempt, perhaps for a passing reason."),
    urls,
    parameters: jobParametersSchema,
    manifest: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("What made the result: versions, model hashes, settings, hardware, input hashes."),
    _links: links,
  })
  .meta({ id: "Job" });

export const jobListSchema: z.ZodType<JobList> = z
  .strictObject({ jobs: z.array(jobViewSchema) })
  .meta({ id: "JobList" });

/** @param base path that the app is mounted at, without a slash at the end. */
export function acceptedJob(job: JobRecord, base: string): AcceptedJob {
  const self = `${base}/jobs/${job.id}`;
  return {
    job_id: job.id,
    status: "processing",
    created_at: job.createdAt,
    ...inputsOf(job.request),
    _links: { self, log: `${self}/log` },
  };
}

/** @param base path that the app is mounted at, without a slash at the end. */
export function viewJob(
  job: JobRecord,
  options: {
    readonly base: string;
    readonly progress?: JobProgress | undefined;
    readonly estimate?: JobEstimate | undefined;
  },
): JobView {
  const self = `${options.base}/jobs/${job.id}`;
  return {
    ...summarizeJob(job),
    progress: options.progress,
    estimate: options.estimate,
    ...inputsOf(job.request),
    _links: {
      self,
      log: `${self}/log`,
      events: `${self}/events`,
      cancel: `${self}/cancel`,
      ...(hasOwnResult(job) && { result: `${self}/result` }),
    },
  };
}

/** Whether the server itself keeps the result. */
export function hasOwnResult(job: JobRecord): boolean {
  return job.status === "completed" && job.request.out === UPLOAD;
}

/** A job without its URLs, which may carry secrets of their own: also fit for webhooks. */
export function summarizeJob(job: JobRecord): Omit<JobView, "_links" | "urls" | "parameters"> {
  const { startedAt, finishedAt } = job;
  const processingMs =
    startedAt !== undefined && finishedAt !== undefined
      ? Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt))
      : undefined;
  return {
    job_id: job.id,
    status: job.status,
    created_at: job.createdAt,
    updated_at: job.updatedAt,
    started_at: startedAt,
    deadline_at: job.deadlineAt,
    error: job.error?.message,
    error_code: job.error?.code,
    error_hint: job.error?.hint,
    metadata: {
      processing_time: processingMs === undefined ? undefined : processingMs / 1000,
      completed_at: finishedAt,
    },
    attempts: job.attempts,
    cancel_requested: job.cancelRequested,
    dead_letter: job.deadLetter,
    manifest: job.manifest && { ...job.manifest },
  };
}

function inputsOf(request: JobRequest): JobInputs {
  const { video_in, audio_in, out } = request;
  return { urls: { video_in, audio_in, out }, parameters: parametersOf(request) };
}
