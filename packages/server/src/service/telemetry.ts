/** Logs, metrics, traces, charts, costs and the audit log of one service. */
import { join } from "node:path";
import type { Resources } from "@ls/core";
import type { MiddlewareHandler } from "hono";
import pino, { type DestinationStream, type Logger } from "pino";
import type { AppServices } from "../http/services.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { Configuration } from "../settings.ts";
import { openAuditLog } from "../telemetry/audit.ts";
import { createChartLines, sampleCharts } from "../telemetry/chart-lines.ts";
import { createJobEstimator } from "../telemetry/estimator.ts";
import { createGpuMemoryReader } from "../telemetry/gpu-memory.ts";
import { httpTelemetry, traceRequests } from "../telemetry/http-telemetry.ts";
import { createLogger } from "../telemetry/logger.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createTelemetryObserver } from "../telemetry/observer.ts";
import { createTracing } from "../telemetry/tracing.ts";
import type { CostOf } from "../work/attempt.ts";
import type { JobObserver } from "../work/observer.ts";

export interface ServiceTelemetry {
  readonly logger: Logger;
  readonly observer: JobObserver;
  readonly cost: CostOf | undefined;
  readonly estimate: NonNullable<AppServices["estimate"]>;
  readonly traceRequests: MiddlewareHandler;
  readonly http: Required<Pick<AppServices, "audit" | "metricsText" | "observe" | "report">>;
  /** Something of the service itself went wrong and was got over. */
  readonly report: (what: string, cause: unknown) => void;
}

/** The parts that need closing go to `resources`. */
export async function createTelemetry(
  options: {
    readonly configuration: Configuration;
    readonly version: string;
    readonly queue: JobQueue;
    readonly destination?: DestinationStream;
  },
  resources: Resources,
): Promise<ServiceTelemetry> {
  const { configuration, queue, version } = options;
  const { dataDir, logLevel, pricePerHour } = configuration;
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });
  const logger = createLogger({ level: logLevel, destination });
  const gpuMemory = createGpuMemoryReader();
  const metrics = createMetrics({ queue, gpuMemory });
  const tracing = resources.use(createTracing({ serviceVersion: version }));
  const audit = resources.use(await openAuditLog({ folder: join(dataDir, "audit") }));
  const price = pricePerHour === undefined ? {} : { dollarsPerHour: pricePerHour };
  const estimator = createJobEstimator(price);
  const isCharting = configuration.metrics === "gradient";
  const charts = isCharting ? createChartLines({ destination }) : undefined;
  if (charts) {
    const stop = new AbortController();
    void sampleCharts({ charts, queue, gpuMemory, signal: stop.signal });
    resources.defer(async () => stop.abort());
  }
  const { latencyBudgetSeconds, latencyBudgetPerVideoSecond } = configuration;
  const observer = createTelemetryObserver({
    logger,
    metrics,
    tracer: tracing.tracer,
    ...(charts && { charts }),
    audit,
    estimator,
    latencyBudget: {
      ...(latencyBudgetSeconds !== undefined && { seconds: latencyBudgetSeconds }),
      ...(latencyBudgetPerVideoSecond !== undefined && {
        secondsPerVideoSecond: latencyBudgetPerVideoSecond,
      }),
    },
    ...price,
  });
  return {
    logger,
    observer,
    cost: pricePerHour === undefined ? undefined : (job, seconds) => estimator.cost(job, seconds),
    estimate: (request) => estimator.estimate(request),
    traceRequests: traceRequests(tracing.tracer),
    http: httpTelemetry({ logger, metrics, audit }),
    report: (what, cause) => logger.warn({ err: cause }, `${what}.`),
  };
}
