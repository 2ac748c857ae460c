/** The index, the OpenAPI document, the page, and the answer to everything else. */
import { z } from "zod";
import type { AppContext, AppState } from "./context.ts";
import { ProblemError } from "./problem.ts";
import { type RouteTable, jsonAnswer } from "./route-table.ts";

const indexSchema = z
  .strictObject({
    name: z.string(),
    version: z.string(),
    _links: z.record(z.string(), z.string()),
  })
  .meta({ id: "Index" });

const NAME = "latentsync-ts";

/** To be added last. */
export function addIndexRoutes(table: RouteTable, state: AppState): void {
  const { app } = table;
  table.add(
    {
      method: "get",
      path: "/openapi.json",
      security: [],
      summary: "This document",
      responses: { 200: jsonAnswer("OpenAPI 3.1.", z.record(z.string(), z.unknown())) },
    },
    (c) => c.json(openApiDocument(table, { version: state.version, base: c.var.base })),
  );
  const index = (c: AppContext) => (wantsPage(c) ? servePage(state, c) : apiIndex(state, c));
  table.add(
    {
      method: "get",
      path: "/",
      security: [],
      summary: "Where everything is; for browsers, the page",
      responses: {
        200: {
          description: "The index.",
          content: {
            "application/json": { schema: indexSchema },
            "text/html": { schema: z.string() },
          },
        },
      },
    },
    index,
  );
  table.refuseOtherMethods();
  app.all("*", async (c) => {
    const isReading = c.req.method === "GET" || c.req.method === "HEAD";
    if (isReading && c.req.path === `${c.var.base}/`) return await index(c);
    if (isReading && state.page) {
      const response = await servePage(state, c);
      if (response.status !== 404) return response;
    }
    throw new ProblemError({
      code: "not_found",
      message: `There is nothing at ${JSON.stringify(c.req.path.slice(0, 200))}.`,
      hint: `${c.var.base}/openapi.json tells what there is.`,
    });
  });
}

/** Browsers name text/html; programs name JSON, anything, or nothing. */
function wantsPage(c: AppContext): boolean {
  return c.req.header("accept")?.includes("text/html") === true;
}

function apiIndex(state: AppState, c: AppContext): Response {
  const { base } = c.var;
  const links = ["jobs", "health", "livez", "readyz", "metrics", "openapi.json"];
  return c.json({
    name: NAME,
    version: state.version,
    _links: {
      self: `${base}/`,
      ...Object.fromEntries(links.map((link) => [link, `${base}/${link}`])),
      ...(state.uploads && { uploads: `${base}/uploads` }),
    },
  });
}

async function servePage(state: AppState, c: AppContext): Promise<Response> {
  if (!state.page) return apiIndex(state, c);
  // The page names its parts relative to its own address.
  if (c.req.path === c.var.base) return c.redirect(`${c.var.base}/`, 308);
  const url = new URL(c.req.url);
  url.pathname = c.req.path.slice(c.var.base.length);
  const { headers, method } = c.req.raw;
  return await state.page.fetch(new Request(url, { method, headers }));
}

function openApiDocument(
  { app }: RouteTable,
  options: { readonly version: string; readonly base: string },
): ReturnType<typeof app.getOpenAPI31Document> {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: NAME,
      version: options.version,
      description: "Lip-sync as a job service.",
      license: { name: "Apache-2.0" },
    },
    servers: [{ url: options.base === "" ? "/" : options.base }],
    security: [{ apiKey: [] }, { bearer: [] }],
  });
}
