/** Who may go on: middleware in front of every route that is not for everybody. */
import type { MiddlewareHandler } from "hono";
import type { RateLimiter } from "../auth/rate-limit.ts";
import type { AppEnvironment, AppState } from "./context.ts";
import { ProblemError } from "./problem.ts";

/** Lets identified callers through, and tells the handlers who they are. */
export function identified(state: AppState): MiddlewareHandler<AppEnvironment> {
  return async (c, next) => {
    const identity = await state.authenticate(c.req.raw);
    if (!identity) {
      throw new ProblemError({
        code: "forbidden",
        status: 401,
        message: "The request carries no valid credential.",
        hint: "Send an API key as X-API-Key or as Authorization: Bearer, or an identity token as Authorization: Bearer.",
        headers: { "www-authenticate": "Bearer" },
      });
    }
    c.set("identity", identity);
    await next();
  };
}

/** Lets administrators through. Stands behind `identified`. */
export function administrative(): MiddlewareHandler<AppEnvironment> {
  return async (c, next) => {
    if (c.var.identity.role !== "admin") {
      throw new ProblemError({
        code: "forbidden",
        message: "This is for administrators.",
        hint: "Use a key whose role is admin.",
      });
    }
    await next();
  };
}

/** Holds identities to the number of things that they may create per minute. Stands behind `identified`. */
export function rateLimited(
  state: AppState,
  limiter: RateLimiter,
): MiddlewareHandler<AppEnvironment> {
  return async (c, next) => {
    const { id, quota } = c.var.identity;
    const perMinute = quota?.perMinute ?? state.limits.createdPerMinute;
    const waitSeconds = limiter.take(id, perMinute);
    if (waitSeconds > 0) {
      throw new ProblemError({
        code: "exhausted",
        message: `More than ${perMinute} creations per minute.`,
        hint: "Send requests more slowly, or ask for a larger quota.",
        headers: { "retry-after": String(waitSeconds) },
      });
    }
    await next();
  };
}
