/** The HTTP side's part of telemetry. */
import { SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Logger } from "pino";
import type { AppServices } from "../http/services.ts";
import type { AuditLog } from "./audit.ts";
import type { Metrics } from "./metrics.ts";
import { contextOf, traceparentOf } from "./tracing.ts";

/** What the HTTP app tells and asks, answered by logs, metrics and the audit log. */
export function httpTelemetry(options: {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly audit?: AuditLog;
}): Required<Pick<AppServices, "audit" | "metricsText" | "observe" | "report">> {
  const { audit, logger, metrics } = options;
  return {
    metricsText: async () => (await metrics.render()).body,
    observe({ method, route, seconds, status }) {
      metrics.httpSeconds.observe({ method, route, status: String(status) }, seconds);
      logger.debug({ method, route, seconds, status }, "Request answered.");
    },
    report(error, { method, path }) {
      logger.error({ err: error, method, path }, "Request failed.");
    },
    audit(record) {
      audit?.append(record).catch((error: unknown) => {
        logger.error({ err: error, ...record }, "The audit log could not be written.");
      });
    },
  };
}

/**
 * A span for each request, child of the caller's. The rest of the app sees the span as the request's
 * `traceparent`, so that a job that it creates belongs to the same trace.
 */
export function traceRequests(tracer: Tracer): MiddlewareHandler {
  return async (c, next) => {
    const { method } = c.req;
    const span = tracer.startSpan(
      method,
      { kind: SpanKind.SERVER, attributes: { "http.request.method": method } },
      contextOf(c.req.header("traceparent")),
    );
    const traceparent = traceparentOf(span);
    if (span.isRecording() && traceparent !== undefined) {
      const headers = new Headers(c.req.raw.headers);
      headers.set("traceparent", traceparent);
      c.req.raw = new Request(c.req.raw, { headers });
    }
    try {
      await next();
    } finally {
      const route = routePath(c);
      span.updateName(`${method} ${route}`);
      span.setAttributes({ "http.route": route, "http.response.status_code": c.res.status });
      if (c.res.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    }
  };
}
