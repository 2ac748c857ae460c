import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ROOT_CONTEXT } from "@opentelemetry/api";
import { InMemorySpanExporter } from "@opentelemetry/sdk-trace";
import { Hono } from "hono";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { traceRequests } from "../../src/telemetry/http-telemetry.ts";
import { contextOf, createTracing, traceparentOf } from "../../src/telemetry/tracing.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

afterEach(() => void vi.unstubAllEnvs());

describe("tracing", () => {
  it("hands a caller's trace through to what the app sees", async () => {
    const exporter = new InMemorySpanExporter();
    const tracing = createTracing({ exporter });
    let seen: string | undefined;
    const app = new Hono();
    app.use(traceRequests(tracing.tracer));
    app.post("/jobs/:id", async (c) => {
      seen = c.req.header("traceparent");
      return c.text(await c.req.text());
    });
    const response = await app.request("/jobs/7", {
      method: "POST",
      body: "body",
      headers: { traceparent: TRACEPARENT },
    });
    expect(await response.text()).toBe("body");
    const shutdown = vi.spyOn(exporter, "shutdown").mockResolvedValue();
    await tracing[Symbol.asyncDispose]();
    expect(shutdown).toHaveBeenCalled();
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({
      name: "POST /jobs/:id",
      attributes: { "http.route": "/jobs/:id", "http.response.status_code": 200 },
    });
    expect(span?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
    expect(seen).toBe(`00-0af7651916cd43dd8448eb211c80319c-${span?.spanContext().spanId}-01`);
  });

  it("sends spans to the collector that the environment names", async () => {
    const bodies: string[] = [];
    const collector = createServer((request, response) => {
      request.on("data", (part: Buffer) => bodies.push(part.toString()));
      request.on("end", () => response.end("{}"));
    });
    collector.listen(0, "127.0.0.1");
    await once(collector, "listening");
    onTestFinished(() => void collector.close());
    const { port } = collector.address() as AddressInfo;
    vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `http://127.0.0.1:${port}`);
    const tracing = createTracing({ serviceVersion: "1.2.3" });
    tracing.tracer.startSpan("a job of mine").end();
    await tracing[Symbol.asyncDispose]();
    expect(bodies.join("")).toContain("a job of mine");
    expect(bodies.join("")).toContain("1.2.3");
  });

  it("costs nothing and passes the caller's trace on without a collector", async () => {
    await using tracing = createTracing();
    const span = tracing.tracer.startSpan("x", {}, contextOf(TRACEPARENT));
    expect(span.isRecording()).toBe(false);
    expect(traceparentOf(span)).toBe(TRACEPARENT);
    expect(traceparentOf(tracing.tracer.startSpan("y"))).toBeUndefined();
  });

  it.each([
    undefined,
    "",
    "00-0-0-01",
    TRACEPARENT.replace("00-", "ff-"),
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
  ])("takes %j as no trace", (traceparent) => {
    expect(contextOf(traceparent)).toBe(ROOT_CONTEXT);
  });
});
