/** The HTTP app: every route of the service, to be mounted anywhere. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { basePath, routePath } from "hono/route";
import { createRateLimiter } from "../auth/rate-limit.ts";
import { administrative, identified, rateLimited } from "./access.ts";
import { type AppEnvironment, type AppState, createAppState } from "./context.ts";
import { addIndexRoutes } from "./index-routes.ts";
import { addJobRoutes } from "./job-routes.ts";
import { isForClient, problemResponse } from "./problem.ts";
import { addProcessRoutes } from "./process-routes.ts";
import { createRouteTable } from "./route-table.ts";
import { type AppServices, defaultHttpLimits } from "./services.ts";
import { addStatusRoutes } from "./status-routes.ts";
import { addUploadRoutes } from "./upload-routes.ts";

/**
 * Creates the app. It can be served by `listen`, or mounted in an app of the user's own:
 * `app.route("/lipsync", createApp(services))`; links then begin with `/lipsync`.
 */
export function createApp(services: AppServices): OpenAPIHono<AppEnvironment> {
  const state = createAppState(services, { ...defaultHttpLimits, ...services.limits });
  const app = new OpenAPIHono<AppEnvironment>();
  app.onError((error, c) => {
    if (!isForClient(error)) {
      services.report?.(error, { method: c.req.method, path: c.req.path });
    }
    return problemResponse(error);
  });
  app.use("*", framed(state));
  if (services.cors && services.cors.origins.length > 0) app.use("*", crossOrigin(services.cors));

  const table = createRouteTable(app);
  registerCredentials(app);
  const read = [identified(state)];
  const create = [...read, rateLimited(state, createRateLimiter())];
  addJobRoutes(table, state, { read, create });
  addProcessRoutes(table, state, create);
  addUploadRoutes(table, state, { read, create });
  addStatusRoutes(table, state, services.publicMetrics === true ? [] : [...read, administrative()]);
  addIndexRoutes(table, state);
  return app;
}

function registerCredentials({ openAPIRegistry }: OpenAPIHono<AppEnvironment>): void {
  openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key, or an identity token of Google.",
  });
}

/** What every answer has: its mount path, its headers, and a record of it. */
function framed(state: AppState): MiddlewareHandler<AppEnvironment> {
  return async (c, next) => {
    const startedAt = performance.now();
    const base = basePath(c);
    c.set("base", base === "/" ? "" : base);
    await next();
    for (const [name, value] of Object.entries(defaultHeaders)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    if (!state.cors?.origins.length)
      c.res.headers.set("cross-origin-resource-policy", "same-origin");
    state.observe?.({
      method: c.req.method,
      route: routePath(c),
      status: c.res.status,
      seconds: (performance.now() - startedAt) / 1000,
    });
  };
}

/** Answers are data: no browser should sniff, frame, run or keep them. The page sets its own. */
const defaultHeaders: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

function crossOrigin({ origins }: { readonly origins: readonly string[] }): MiddlewareHandler {
  return cors({
    origin: [...origins],
    allowMethods: ["GET", "POST", "PUT", "DELETE"],
    allowHeaders: [
      "Authorization",
      "Content-Type",
      "Idempotency-Key",
      "Last-Event-ID",
      "Range",
      "X-API-Key",
      "traceparent",
    ],
    exposeHeaders: ["Content-Range", "Idempotent-Replayed", "Location", "Retry-After"],
    maxAge: 600,
  });
}
