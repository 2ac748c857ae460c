/**
 * OpenTelemetry traces: a request, the job that it created, and the job's stages are one trace,
 * although the job runs later and elsewhere; the trace context crosses the queue in the job's
 * record.
 */
import {
  isSpanContextValid,
  ROOT_CONTEXT,
  trace,
  type Context,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TracerProvider,
  type SpanExporter,
} from "@opentelemetry/sdk-trace";

export interface TracingOptions {
  readonly serviceVersion?: string;
  /** Takes the spans, whatever the environment says. */
  readonly exporter?: SpanExporter;
}

export interface Tracing extends AsyncDisposable {
  readonly tracer: Tracer;
}

const NAME = "@ls/server";

/**
 * Spans go to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` (or
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) names; the other `OTEL_*` variables hold as OpenTelemetry
 * defines them. Without an endpoint they go to the tracer provider that the host program has
 * registered with OpenTelemetry, and nowhere if there is none. Nothing is registered here.
 * Disposing sends what is left.
 */
export function createTracing(options: TracingOptions = {}): Tracing {
  const exporter = options.exporter ?? environmentExporter();
  if (exporter === undefined) {
    return { tracer: trace.getTracer(NAME), [Symbol.asyncDispose]: async () => {} };
  }
  const own = resourceFromAttributes({
    "service.name": process.env["OTEL_SERVICE_NAME"] ?? "latentsync",
    ...(options.serviceVersion && { "service.version": options.serviceVersion }),
  });
  const provider = new TracerProvider({
    resource: defaultResource().merge(own),
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  return {
    tracer: provider.getTracer(NAME),
    [Symbol.asyncDispose]: () => provider.shutdown(),
  };
}

function environmentExporter(): SpanExporter | undefined {
  const isSet =
    process.env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? process.env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  return isSet ? new OTLPTraceExporter() : undefined;
}

/** The W3C `traceparent` that makes others' spans children of this one; `undefined` outside a trace. */
export function traceparentOf(span: Span): string | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return undefined;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** The context that a `traceparent` names; the root for none, or for one that is malformed. */
export function contextOf(traceparent: string | undefined): Context {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(
    traceparent ?? "",
  );
  if (match === null || traceparent?.startsWith("ff")) return ROOT_CONTEXT;
  const [, traceId = "", spanId = "", flags = ""] = match;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  if (!isSpanContextValid(spanContext)) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

/** The context within a span, for its children. */
export function contextWithin(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, span);
}
