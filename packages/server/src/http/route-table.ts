/** Routes that are in the OpenAPI document and answer 405 to other methods. */
import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import type { Handler, MiddlewareHandler } from "hono";
import type { z } from "zod";
import type { AppEnvironment } from "./context.ts";
import { ProblemError, problemSchema } from "./problem.ts";

export type AppHandler = Handler<AppEnvironment>;
export type AppMiddleware = MiddlewareHandler<AppEnvironment>;

export interface RouteTable {
  readonly app: OpenAPIHono<AppEnvironment>;
  /** Adds a route; errors are described as problems by themselves. */
  add(
    route: RouteConfig,
    handler: AppHandler,
    options?: { readonly before?: readonly AppMiddleware[] },
  ): void;
  /** To be called when all routes are there. */
  refuseOtherMethods(): void;
}

export function createRouteTable(app: OpenAPIHono<AppEnvironment>): RouteTable {
  const methodsOfPath = new Map<string, string[]>();
  return {
    app,
    add(route, handler, options = {}) {
      app.openAPIRegistry.registerPath({
        ...route,
        responses: {
          ...route.responses,
          default: {
            description: "An error.",
            content: { "application/problem+json": { schema: problemSchema } },
          },
        },
      });
      const path = route.path.replaceAll(/\{(\w+)\}/g, ":$1");
      const methods = methodsOfPath.get(path) ?? [];
      methodsOfPath.set(path, [...methods, route.method.toUpperCase()]);
      app.on([route.method.toUpperCase()], [path], ...(options.before ?? []), handler);
    },
    refuseOtherMethods() {
      for (const [path, methods] of methodsOfPath) {
        const allow = methods.includes("GET") ? [...methods, "HEAD"] : methods;
        app.all(path, (c) => {
          throw new ProblemError({
            code: "invalid_argument",
            status: 405,
            message: `${c.req.method} is not allowed here, only ${allow.join(", ")}.`,
            headers: { allow: allow.join(", ") },
          });
        });
      }
    },
  };
}

/** A JSON answer for the document. */
export function jsonAnswer(
  description: string,
  schema: z.ZodType,
): RouteConfig["responses"][string] {
  return { description, content: { "application/json": { schema } } };
}
