import { LatentSyncError } from "@ls/core";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import type { RequestRecord } from "../../src/http/services.ts";
import { createFixture, post } from "./fixture.ts";

describe("readiness", () => {
  it.each([
    ["ready", 200],
    ["busy", 200],
    ["starting", 503],
    ["setup_failed", 503],
  ] as const)("%s is %i", async (state, status) => {
    const health = { state: () => state, checkWeights: async () => [] };
    await using fixture = createFixture({ services: { health } });
    const response = await fixture.request("/readyz", { as: "" });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ status: state });
    expect((await fixture.request("/livez", { as: "" })).status).toBe(200);
  });

  it("is over when the server drains", async () => {
    await using fixture = createFixture();
    const response = await fixture.app.request("/readyz", {}, { draining: AbortSignal.abort() });
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "draining" });
  });
});

describe("GET /health", () => {
  it("checks each file of the weights", async () => {
    const weights = [
      { name: "unet.pt", ok: true, sizeBytes: 10 },
      { name: "whisper.pt", ok: false, problem: "It is missing." },
    ];
    const health = { state: () => "ready" as const, checkWeights: async () => weights };
    await using fixture = createFixture({ services: { health } });
    const response = await fixture.request("/health", { as: "" });
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      status: "unhealthy",
      state: "ready",
      queue: { reachable: true, queued: 0, processing: 0 },
      weights: [
        { name: "unet.pt", ok: true, size_bytes: 10 },
        { name: "whisper.pt", ok: false, problem: "It is missing." },
      ],
    });
  });

  it("says whether the queue can be reached", async () => {
    await using fixture = createFixture();
    const counts = async () => {
      throw new LatentSyncError("unavailable", "It cannot.");
    };
    await using broken = createFixture({ services: { queue: { ...fixture.queue, counts } } });
    const response = await broken.request("/health", { as: "" });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ queue: { reachable: false } });
    expect((await fixture.request("/health", { as: "" })).status).toBe(200);
  });
});

describe("GET /metrics", () => {
  const metricsText = async () => "# TYPE jobs gauge\njobs 1\n";

  it("is for administrators", async () => {
    await using fixture = createFixture({ services: { metricsText } });
    expect((await fixture.request("/metrics")).status).toBe(403);
    const response = await fixture.request("/metrics", { as: "admin" });
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toBe(await metricsText());
  });

  it("is for everybody if the operator says so", async () => {
    await using fixture = createFixture({ services: { metricsText, publicMetrics: true } });
    expect((await fixture.request("/metrics", { as: "" })).status).toBe(200);
  });
});

describe("the index", () => {
  const page = new Hono();
  page.get("/", (c) => c.html("<title>page</title>", 200, { "content-security-policy": "own" }));
  page.get("/assets/app.js", (c) => c.body("1", 200, { "content-type": "text/javascript" }));

  it("is the page for browsers and JSON for programs", async () => {
    await using fixture = createFixture({ services: { page } });
    const browser = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    const html = await fixture.request("/", { as: "", headers: browser });
    expect(await html.text()).toBe("<title>page</title>");
    expect(html.headers.get("content-security-policy")).toBe("own");
    const json = await fixture.request("/", { as: "" });
    expect(await json.json()).toMatchObject({ version: "1.2.3", _links: { jobs: "/jobs" } });
    const asset = await fixture.request("/assets/app.js", { as: "" });
    expect(await asset.text()).toBe("1");
    expect((await fixture.request("/assets/none.js", { as: "" })).status).toBe(404);
  });

  it("is JSON for browsers too where there is no page", async () => {
    await using fixture = createFixture();
    const response = await fixture.request("/", { as: "", headers: { accept: "text/html" } });
    expect(await response.json()).toMatchObject({ name: "latentsync-ts" });
  });

  it("has the page below the mount path, where relative addresses work", async () => {
    await using fixture = createFixture({ services: { page } });
    const own = new Hono().route("/lipsync", fixture.app);
    const headers = { accept: "text/html" };
    const bare = await own.request("/lipsync", { headers });
    expect([bare.status, bare.headers.get("location")]).toEqual([308, "/lipsync/"]);
    const html = await own.request("/lipsync/", { headers });
    expect(await html.text()).toBe("<title>page</title>");
    expect(await (await own.request("/lipsync/assets/app.js")).text()).toBe("1");
  });
});

describe("every answer", () => {
  it("has headers against sniffing, framing and storing", async () => {
    await using fixture = createFixture();
    for (const path of ["/jobs", "/nothing", "/livez"]) {
      const { headers } = await fixture.request(path);
      expect(Object.fromEntries(headers)).toMatchObject({
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
      });
    }
  });

  it("is recorded with its route, not its path", async () => {
    const records: RequestRecord[] = [];
    await using fixture = createFixture({
      services: { observe: (record) => records.push(record) },
    });
    const id = await fixture.create();
    await fixture.request(`/jobs/${id}`);
    await fixture.request(`/jobs/${id}`, { as: "" });
    await fixture.request("/wp-login.php");
    const told = records.filter(({ route }) => route !== "/openapi.json");
    expect(told.map(({ method, route, status }) => [method, route, status])).toEqual([
      ["POST", "/jobs", 202],
      ["GET", "/jobs/:id", 200],
      ["GET", "/jobs/:id", 401],
      ["GET", "/*", 404],
    ]);
  });

  it.each([
    ["PATCH", "/jobs", "POST, GET, HEAD"],
    ["POST", "/health", "GET, HEAD"],
    ["GET", "/process", "POST"],
  ])("%s %s is 405", async (method, path, allow) => {
    await using fixture = createFixture();
    const response = await fixture.request(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
  });
});

describe("CORS", () => {
  const origin = "https://app.example.com";
  const preflight = {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,x-api-key",
    },
  };

  it("is off by default", async () => {
    await using fixture = createFixture();
    const { headers } = await fixture.request("/jobs", { headers: { origin } });
    expect(headers.has("access-control-allow-origin")).toBe(false);
    expect((await fixture.request("/jobs", { ...preflight, as: "" })).ok).toBe(false);
  });

  it("lets the named origins in, on errors too, and no others", async () => {
    await using fixture = createFixture({ services: { cors: { origins: [origin] } } });
    const allowed = await fixture.request("/jobs", { ...preflight, as: "" });
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-origin")).toBe(origin);
    const headers = { origin, "content-type": "application/json" };
    const refused = await fixture.request("/jobs", { ...post("{"), headers });
    expect(refused.status).toBe(400);
    expect(refused.headers.get("access-control-allow-origin")).toBe(origin);
    const other = await fixture.request("/jobs", { headers: { origin: "https://evil.example" } });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("GET /openapi.json", () => {
  it("describes every route with the one schema of requests", async () => {
    await using fixture = createFixture();
    const document = (await (await fixture.request("/openapi.json", { as: "" })).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { security?: unknown[] }>>;
      components: { schemas: Record<string, { properties: object }>; securitySchemes: object };
    };
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths).sort()).toEqual([
      "/",
      "/health",
      "/jobs",
      "/jobs/{id}",
      "/jobs/{id}/cancel",
      "/jobs/{id}/events",
      "/jobs/{id}/log",
      "/jobs/{id}/result",
      "/livez",
      "/metrics",
      "/openapi.json",
      "/process",
      "/pubsub",
      "/readyz",
      "/uploads",
      "/uploads/{id}",
    ]);
    expect(Object.keys(document.components.securitySchemes)).toEqual(["apiKey", "bearer"]);
    expect(document.components.schemas["JobRequest"]?.properties).toMatchObject({
      guidance_scale: { minimum: 1, maximum: 3, default: 2 },
      inference_steps: { minimum: 1, maximum: 50, default: 20 },
    });
    expect(JSON.stringify(document.paths["/jobs"])).toContain("#/components/schemas/JobRequest");
    expect(document.paths["/livez"]?.["get"]?.security).toEqual([]);
    expect(document.paths["/jobs"]?.["get"]?.security).toBeUndefined();
  });
});
