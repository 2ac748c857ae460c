/** Turns what the workers report into logs, metrics, traces, charts and the audit log. */
import { createHash } from "node:crypto";
import { SpanKind, SpanStatusCode, type Span, type Tracer } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { JobManifest, JobRecord } from "../jobs/job.ts";
import type { Attempt, AttemptOutcome, JobObserver } from "../work/observer.ts";
import type { AuditLog } from "./audit.ts";
import type { ChartLines } from "./chart-lines.ts";
import { costDollars } from "./cost.ts";
import type { JobEstimator } from "./estimator.ts";
import { latencyBreach, type LatencyBudget } from "./latency-budget.ts";
import { jobLogger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { contextOf, contextWithin } from "./tracing.ts";

export interface TelemetryObserverOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly charts?: ChartLines;
  readonly audit?: AuditLog;
  /** Learns from completed jobs. */
  readonly estimator?: JobEstimator;
  readonly latencyBudget?: LatencyBudget;
  /** Price of a worker's machine; every attempt is paid for, whether it succeeds or not. */
  readonly dollarsPerHour?: number;
}

/** Frame rate of every result: LatentSync's models are made for it. */
const RESULT_FRAMES_PER_SECOND = 25;

export function createTelemetryObserver(options: TelemetryObserverOptions): JobObserver {
  return new TelemetryObserver(options);
}

class TelemetryObserver implements JobObserver {
  readonly #options: TelemetryObserverOptions;
  /** Of the attempts that run now, by worker. */
  readonly #spans = new Map<string, Span>();

  constructor(options: TelemetryObserverOptions) {
    this.#options = options;
  }

  readonly jobStarted = (attempt: Attempt, details: { readonly waitedSeconds: number }): void => {
    const { metrics, tracer } = this.#options;
    const { job, worker } = attempt;
    if (job.attempts <= 1) metrics.jobWaitSeconds.observe(details.waitedSeconds);
    const attributes = {
      "latentsync.job.id": job.id,
      "latentsync.job.attempt": job.attempts,
      "latentsync.worker": worker,
    };
    const span = tracer.startSpan(
      "job",
      { kind: SpanKind.CONSUMER, attributes },
      contextOf(job.traceparent),
    );
    this.#spans.set(worker, span);
    this.#log(job).info({ worker, attempt: job.attempts, ...details }, "Job started.");
  };

  readonly stageEnded = (
    { job, worker }: Attempt,
    { stage, seconds }: { readonly stage: string; readonly seconds: number },
  ): void => {
    const endMs = Date.now();
    const span = this.#spans.get(worker);
    if (span) {
      this.#options.tracer
        .startSpan(stage, { startTime: endMs - seconds * 1000 }, contextWithin(span))
        .end(endMs);
    }
    this.#options.metrics.stageSeconds.observe({ stage }, seconds);
    this.#log(job).debug({ worker, stage, seconds }, "Stage ended.");
  };

  readonly jobFinished = (
    attempt: Attempt,
    details: {
      readonly outcome: AttemptOutcome;
      readonly seconds: number;
      readonly cause?: unknown;
    },
  ): void => {
    const { outcome, seconds } = details;
    const { charts, dollarsPerHour, metrics } = this.#options;
    this.#endSpan(attempt.worker, outcome);
    const error = "error" in outcome ? outcome.error : undefined;
    metrics.jobs.inc({ result: outcome.kind, code: error?.code ?? "" });
    if (dollarsPerHour !== undefined) {
      const dollars = costDollars(seconds, dollarsPerHour);
      metrics.costDollars.inc(dollars);
      charts?.point("cost_dollars", dollars);
    }
    this.#logEnd(attempt, details);
    if (outcome.kind === "retry" || outcome.kind === "released" || outcome.kind === "lost") return;
    const totalSeconds = (Date.now() - Date.parse(attempt.job.createdAt)) / 1000;
    metrics.jobSeconds.observe({ result: outcome.kind }, totalSeconds);
    charts?.point("job_seconds", totalSeconds);
    if (outcome.kind === "completed") {
      this.#countResult(outcome.manifest, seconds);
      this.#options.estimator?.learn(attempt.job.request, outcome.manifest, seconds);
      this.#checkLatency(attempt.job, totalSeconds, outcome.manifest);
    }
    this.#audit(attempt.job, outcome);
  };

  readonly leaseLost = ({ job, worker }: Attempt): void => {
    this.#options.metrics.leasesLost.inc();
    this.#log(job).warn({ worker }, "Lease lost: another worker may take the job.");
  };

  readonly workerStateChanged: NonNullable<JobObserver["workerStateChanged"]> = (details) => {
    const { description, pid, state, worker } = details;
    if (state === "starting") this.#options.metrics.workerStarts.inc();
    this.#options.logger.info(
      {
        worker,
        state,
        pid,
        ...(state === "ready" && {
          model: description?.model.name,
          runtime: description?.runtime,
          notices: description?.notices,
        }),
      },
      "Worker state changed.",
    );
  };

  readonly workerCrashed: NonNullable<JobObserver["workerCrashed"]> = ({ job, ...details }) => {
    this.#options.metrics.workerCrashes.inc();
    const logger = job ? this.#log(job) : this.#options.logger;
    logger.error(details, "Worker process died.");
  };

  readonly workerOutput: NonNullable<JobObserver["workerOutput"]> = (details) => {
    const { jobId, line, ...origin } = details;
    const logger =
      jobId === undefined ? this.#options.logger : jobLogger(this.#options.logger, { id: jobId });
    logger.info(origin, line);
  };

  readonly workerMemory: NonNullable<JobObserver["workerMemory"]> = (details) => {
    this.#options.metrics.workerResidentBytes.set(
      { worker: details.worker },
      details.residentBytes,
    );
  };

  readonly trouble: NonNullable<JobObserver["trouble"]> = ({ what, cause, jobId }) => {
    this.#options.logger.warn({ err: cause, ...(jobId && { job: jobId }) }, what);
  };

  #log(job: JobRecord): Logger {
    return jobLogger(this.#options.logger, job);
  }

  #logEnd(
    { job, worker }: Attempt,
    details: { outcome: AttemptOutcome; seconds: number; cause?: unknown },
  ): void {
    const { cause, outcome, seconds } = details;
    const failed = outcome.kind === "failed" || outcome.kind === "retry";
    this.#log(job)[failed ? "error" : "info"](
      {
        worker,
        outcome: outcome.kind,
        seconds,
        ...("error" in outcome && { error: outcome.error }),
        ...(cause !== undefined && { err: cause }),
      },
      "Attempt ended.",
    );
  }

  #endSpan(worker: string, outcome: AttemptOutcome): void {
    const span = this.#spans.get(worker);
    this.#spans.delete(worker);
    span?.setAttribute("latentsync.outcome", outcome.kind);
    if ("error" in outcome) {
      span?.setAttribute("error.type", outcome.error.code);
      span?.setStatus({ code: SpanStatusCode.ERROR, message: outcome.error.message });
    }
    span?.end();
  }

  #countResult(manifest: JobManifest, seconds: number): void {
    const { charts, metrics } = this.#options;
    metrics.frames.inc(manifest.frames);
    metrics.framesWithoutFace.inc(manifest.framesWithoutFace);
    const framesPerSecond = manifest.frames / (manifest.stageSeconds["frames"] ?? seconds);
    if (!Number.isFinite(framesPerSecond)) return;
    metrics.framesPerSecond.set(framesPerSecond);
    charts?.point("frames_per_second", framesPerSecond);
  }

  #checkLatency(job: JobRecord, totalSeconds: number, manifest: JobManifest): void {
    const videoSeconds = manifest.frames / RESULT_FRAMES_PER_SECOND;
    const breach = latencyBreach(this.#options.latencyBudget ?? {}, { totalSeconds, videoSeconds });
    if (breach === undefined) return;
    this.#options.metrics.latencyBudgetBreaches.inc();
    this.#log(job).warn({ ...breach, videoSeconds }, "Latency budget broken.");
  }

  #audit(job: JobRecord, outcome: AttemptOutcome): void {
    const manifest = outcome.kind === "completed" ? outcome.manifest : undefined;
    this.#options.audit
      ?.append({
        action: "job.finish",
        outcome: outcome.kind === "completed" ? "done" : "failed",
        owner: job.owner,
        jobId: job.id,
        ...("error" in outcome && { code: outcome.error.code }),
        ...(manifest && { model: auditedModel(manifest.model) }),
      })
      .catch((error: unknown) => {
        this.#log(job).error({ err: error }, "The audit log could not be written.");
      });
  }
}

/** A model by one hash: sha256 over `<sha256>  <name>` lines of its files, in order of their names. */
export function auditedModel(model: JobManifest["model"]): {
  readonly name: string;
  readonly sha256: string;
} {
  const listing = Object.entries(model.files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, sha256]) => `${sha256}  ${name}\n`)
    .join("");
  return { name: model.name, sha256: createHash("sha256").update(listing).digest("hex") };
}
