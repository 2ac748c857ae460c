/** How the service is: health, readiness, metrics. */
import { z } from "zod";
import type { AppContext, AppState } from "./context.ts";
import { ProblemError } from "./problem.ts";
import { type AppMiddleware, type RouteTable, jsonAnswer } from "./route-table.ts";

const stateSchema = z.enum(["starting", "ready", "busy", "setup_failed", "draining"]);

const readinessSchema = z
  .strictObject({ status: stateSchema, problem: z.string().optional() })
  .meta({ id: "Readiness" });

const healthSchema = z
  .strictObject({
    status: z.enum(["healthy", "unhealthy"]),
    state: stateSchema,
    problem: z.string().optional(),
    queue: z
      .strictObject({
        reachable: z.boolean(),
        queued: z.int().optional(),
        processing: z.int().optional(),
      })
      .describe("Counts over all owners."),
    weights: z.array(
      z.strictObject({
        name: z.string(),
        ok: z.boolean(),
        size_bytes: z.int().optional(),
        problem: z.string().optional(),
      }),
    ),
  })
  .meta({ id: "Health" });

export function addStatusRoutes(
  table: RouteTable,
  state: AppState,
  metricsGuards: readonly AppMiddleware[],
): void {
  table.add(
    {
      method: "get",
      path: "/livez",
      security: [],
      summary: "Whether the process answers",
      responses: {
        200: { description: "It does.", content: { "text/plain": { schema: z.string() } } },
      },
    },
    (c) => c.text("ok\n"),
  );
  table.add(
    {
      method: "get",
      path: "/readyz",
      security: [],
      summary: "Whether jobs can be worked on",
      responses: {
        200: jsonAnswer("Ready, or busy: jobs are accepted and wait.", readinessSchema),
        503: jsonAnswer("Starting, draining, or the set-up failed.", readinessSchema),
      },
    },
    (c) => {
      const status = readiness(state, c);
      const isReady = status === "ready" || status === "busy";
      const problem = state.health.problem?.();
      return c.json({ status, problem }, isReady ? 200 : 503);
    },
  );
  table.add(
    {
      method: "get",
      path: "/health",
      security: [],
      summary: "State, queue, and each file of the weights",
      responses: {
        200: jsonAnswer("Everything is there.", healthSchema),
        503: jsonAnswer("Something is missing.", healthSchema),
      },
    },
    async (c) => {
      const report = await healthReport(state, c);
      return c.json(report, report.status === "healthy" ? 200 : 503);
    },
  );
  table.add(
    {
      method: "get",
      path: "/metrics",
      summary: "Metrics for Prometheus",
      responses: {
        200: {
          description: "Prometheus text format.",
          content: { "text/plain": { schema: z.string() } },
        },
      },
    },
    async (c) => {
      if (!state.metricsText) {
        throw new ProblemError({ code: "not_found", message: "This server keeps no metrics." });
      }
      return c.body(await state.metricsText(), 200, {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
      });
    },
    { before: metricsGuards },
  );
}

function readiness(state: AppState, c: AppContext): z.infer<typeof stateSchema> {
  return c.env?.draining?.aborted === true ? "draining" : state.health.state();
}

async function healthReport(state: AppState, c: AppContext): Promise<z.infer<typeof healthSchema>> {
  const [weights, queue] = await Promise.all([
    state.health.checkWeights(),
    state.queue.counts().then(
      ({ queued, processing }) => ({ reachable: true, queued, processing }),
      () => ({ reachable: false }),
    ),
  ]);
  const service = readiness(state, c);
  const isHealthy = service !== "setup_failed" && queue.reachable && weights.every(({ ok }) => ok);
  return {
    status: isHealthy ? "healthy" : "unhealthy",
    state: service,
    problem: state.health.problem?.(),
    queue,
    weights: weights.map(({ name, ok, problem, sizeBytes }) => ({
      name,
      ok,
      size_bytes: sizeBytes,
      problem,
    })),
  };
}
