import { randomUUID } from "node:crypto";
import { LatentSyncError } from "@ls/core";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { MANIFEST, REQUEST, createFixture, post } from "./fixture.ts";

const UUID = /^[\da-f-]{36}$/;

describe("POST /jobs", () => {
  it("answers 202 with the contract's body and nothing else", async () => {
    await using fixture = createFixture();
    const response = await fixture.request("/jobs", post({ ...REQUEST, seed: 7 }));
    expect(response.status).toBe(202);
    const body = (await response.json()) as Record<string, unknown>;
    const id = body["job_id"] as string;
    expect(body).toEqual({
      job_id: expect.stringMatching(UUID),
      status: "processing",
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      urls: REQUEST,
      parameters: { guidance_scale: 2, inference_steps: 20, seed: 7 },
      _links: { self: `/jobs/${id}`, log: `/jobs/${id}/log` },
    });
    expect(response.headers.get("location")).toBe(`/jobs/${id}`);
    expect(await fixture.queue.get(id)).toMatchObject({ owner: "alice", status: "queued" });
    expect(fixture.audits).toMatchObject([
      { action: "job.create", outcome: "done", owner: "alice", jobId: id },
    ]);
  });

  it("keeps the trace context and the deadline", async () => {
    await using fixture = createFixture();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const before = Date.now();
    const response = await fixture.request(
      "/jobs",
      post({ ...REQUEST, deadline_seconds: 60 }, { headers: { traceparent } }),
    );
    const { job_id: id } = (await response.json()) as { job_id: string };
    const job = await fixture.queue.get(id);
    expect(job?.traceparent).toBe(traceparent);
    const remainingMs = Date.parse(job?.deadlineAt ?? "") - before;
    expect(remainingMs).toBeGreaterThanOrEqual(60_000);
    expect(remainingMs).toBeLessThan(120_000);
  });

  it("ignores a malformed trace context", async () => {
    await using fixture = createFixture();
    const init = post(REQUEST, { headers: { traceparent: "00-zz-01" } });
    const { job_id: id } = (await (await fixture.request("/jobs", init)).json()) as {
      job_id: string;
    };
    expect((await fixture.queue.get(id))?.traceparent).toBeUndefined();
  });

  it("tells what a job's footage is made of", async () => {
    await using fixture = createFixture();
    const footage = { face: 2, fps: "source", loop: "cut", silence: "keep", start: 1, end: 2.5 };
    const created = await fixture.request("/jobs", post({ ...REQUEST, ...footage }));
    const { job_id: id, parameters } = (await created.json()) as Record<string, unknown>;
    expect(parameters).toMatchObject(footage);
    const view = await fixture.request(`/jobs/${String(id)}`);
    expect(await view.json()).toMatchObject({ parameters: footage });
  });

  it.each([
    ["no video_in", { video_in: undefined }, "/video_in"],
    ["guidance above 3", { guidance_scale: 3.1 }, "/guidance_scale"],
    ["guidance below 1", { guidance_scale: 0.9 }, "/guidance_scale"],
    ["51 steps", { inference_steps: 51 }, "/inference_steps"],
    ["no steps", { inference_steps: 0 }, "/inference_steps"],
    ["text as a number", { inference_steps: "20" }, "/inference_steps"],
    ["a face outside", { face_at: { x: 2, y: 0 } }, "/face_at/x"],
    ["two faces", { face: "left", face_at: { x: 0, y: 0 } }, "/face"],
    ["a rate that there is not", { fps: 30 }, "/fps"],
    ["an end before the start", { start: 2, end: 1 }, "/end"],
  ])("refuses %s with 422 and names the field", async (_, change, path) => {
    await using fixture = createFixture();
    const response = await fixture.request("/jobs", post({ ...REQUEST, ...change }));
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      status: 422,
      code: "invalid_argument",
      errors: [{ path }],
    });
  });

  it("refuses unknown fields", async () => {
    await using fixture = createFixture();
    const response = await fixture.request("/jobs", post({ ...REQUEST, guidance: 2 }));
    expect(response.status).toBe(422);
    expect(await response.text()).toContain("guidance");
  });

  it("refuses what is not JSON: 400, and other media types: 415", async () => {
    await using fixture = createFixture();
    expect((await fixture.request("/jobs", post("{"))).status).toBe(400);
    const typed = (type: string) =>
      fixture.request("/jobs", post(REQUEST, { headers: { "content-type": type } }));
    expect((await typed("text/plain")).status).toBe(415);
    expect((await typed("")).status).toBe(415);
    expect((await typed("application/json; charset=utf-8")).status).toBe(202);
  });

  it("refuses what checkLocations refuses, and audits it", async () => {
    await using fixture = createFixture();
    const body = { ...REQUEST, video_in: "http://169.254.169.254/" };
    const response = await fixture.request("/jobs", post(body));
    expect(response.status).toBe(403);
    expect(fixture.audits).toMatchObject([{ outcome: "refused", code: "forbidden" }]);
    expect(await fixture.queue.list({ limit: 10 })).toEqual([]);
  });

  it("answers 429 with Retry-After when the queue is full", async () => {
    await using fixture = createFixture({ queueLimits: { maxQueued: 2 } });
    await fixture.create();
    await fixture.create();
    const response = await fixture.request("/jobs", post(REQUEST));
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("answers 503 with Retry-After when the queue cannot be reached", async () => {
    await using fixture = createFixture();
    const unavailable = async () => {
      throw new LatentSyncError("unavailable", "The queue cannot be reached now.");
    };
    await using broken = createFixture({
      services: { queue: { ...fixture.queue, get: unavailable, add: unavailable } },
    });
    const response = await broken.request("/jobs", post(REQUEST));
    expect(response.status).toBe(503);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("says nothing of unexpected errors, but reports them", async () => {
    const failure = new Error("secret /var/lib/path");
    await using fixture = createFixture({
      services: {
        checkLocations: async () => {
          throw failure;
        },
      },
    });
    const response = await fixture.request("/jobs", post(REQUEST));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
    expect(fixture.reports).toEqual([failure]);
  });
});

describe("Idempotency-Key", () => {
  const keyed = (body: unknown, key = "k 1", as = "alice") =>
    post(body, { as, headers: { "idempotency-key": key } });

  it("makes one job of 100 requests at once", async () => {
    await using fixture = createFixture();
    const responses = await Promise.all(
      Array.from({ length: 100 }, () => fixture.request("/jobs", keyed(REQUEST))),
    );
    const ids = await Promise.all(
      responses.map(async (response) => ((await response.json()) as { job_id: string }).job_id),
    );
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(ids).size).toBe(1);
    expect(await fixture.queue.list({ limit: 200 })).toHaveLength(1);
    expect(responses.filter(({ headers }) => !headers.has("idempotent-replayed"))).toHaveLength(1);
  });

  it("refuses another body under the same key with 422", async () => {
    await using fixture = createFixture();
    await fixture.request("/jobs", keyed(REQUEST));
    const same = await fixture.request("/jobs", keyed({ ...REQUEST, guidance_scale: 2 }));
    expect(same.status).toBe(202);
    const other = await fixture.request("/jobs", keyed({ ...REQUEST, seed: 1 }));
    expect(other.status).toBe(422);
    expect(await other.json()).toMatchObject({ code: "conflict" });
  });

  it("keeps the keys of owners apart", async () => {
    await using fixture = createFixture();
    await fixture.request("/jobs", keyed(REQUEST));
    const other = await fixture.request("/jobs", keyed({ ...REQUEST, seed: 1 }, "k 1", "bob"));
    expect(other.status).toBe(202);
    expect(await fixture.queue.list({ limit: 10 })).toHaveLength(2);
  });

  it("refuses keys of absurd length", async () => {
    await using fixture = createFixture();
    expect((await fixture.request("/jobs", keyed(REQUEST, "k".repeat(256)))).status).toBe(400);
  });

  it("answers for a job that is there even if its inputs are gone", async () => {
    await using fixture = createFixture();
    const { id } = await fixture.uploads.store({
      owner: "alice",
      contentType: "video/mp4",
      maxSizeBytes: 10,
      body: (async function* () {
        yield new Uint8Array(3);
      })(),
    });
    const body = { ...REQUEST, video_in: `upload:${id}` };
    expect((await fixture.request("/jobs", keyed(body))).status).toBe(202);
    const gone = createApp({
      queue: fixture.queue,
      version: "1",
      authenticate: async () => ({ id: "alice", role: "user" }),
      checkLocations: async () => undefined,
      health: { state: () => "ready", checkWeights: async () => [] },
    });
    expect((await gone.request("/jobs", keyed(body))).status).toBe(202);
  });
});

describe("PUT /jobs/{id}", () => {
  it("creates once, under the client's id", async () => {
    await using fixture = createFixture();
    const id = randomUUID();
    const put = (body: object, as = "alice") =>
      fixture.request(`/jobs/${id}`, post(body, { method: "PUT", as }));
    expect(await (await put(REQUEST)).json()).toMatchObject({ job_id: id, status: "processing" });
    expect((await put(REQUEST)).status).toBe(202);
    expect((await put({ ...REQUEST, seed: 3 })).status).toBe(422);
    expect((await put(REQUEST, "bob")).status).toBe(404);
    expect(await fixture.queue.list({ limit: 10 })).toHaveLength(1);
  });

  it("refuses ids that are no UUIDs", async () => {
    await using fixture = createFixture();
    const response = await fixture.request("/jobs/one", post(REQUEST, { method: "PUT" }));
    expect(response.status).toBe(400);
  });
});

describe("GET /jobs/{id}", () => {
  it("tells of a job from queued to completed", async () => {
    await using fixture = createFixture({
      services: { estimate: () => ({ seconds: 60, dollars: 0.06 }) },
    });
    const id = await fixture.create();
    const ask = async () => (await (await fixture.request(`/jobs/${id}`)).json()) as object;
    expect(await ask()).toMatchObject({
      job_id: id,
      status: "queued",
      metadata: {},
      estimate: { seconds: 60, dollars: 0.06 },
    });
    const lease = await fixture.claim();
    await lease.append([
      { type: "progress", stage: "frames", progress: 0.25, remainingSeconds: 9 },
      { type: "progress", stage: "frames", progress: 0.5 },
    ]);
    expect(await ask()).toMatchObject({
      status: "processing",
      progress: { stage: "frames", progress: 0.5 },
    });
    await lease.append([{ type: "progress", stage: "publish", progress: 0.9 }]);
    expect(await ask()).toMatchObject({ progress: { stage: "publish", progress: 0.9 } });
    await lease.complete(MANIFEST);
    const done = await ask();
    expect(done).toMatchObject({
      status: "completed",
      attempts: 1,
      metadata: { processing_time: expect.any(Number), completed_at: expect.any(String) },
      manifest: { frames: 25, output: { sha256: "cc" } },
    });
    expect(done).not.toHaveProperty("error");
    expect(done).not.toHaveProperty("progress");
  });

  it("tells why a job failed, as text and as a code", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const error = { code: "no_face", message: "No face in 25 frames.", hint: "Use another video." };
    await (await fixture.claim()).fail({ ...error, code: "no_face" }, { retry: false });
    expect(await (await fixture.request(`/jobs/${id}`)).json()).toMatchObject({
      status: "failed",
      error: "No face in 25 frames.",
      error_code: "no_face",
      error_hint: "Use another video.",
    });
  });

  it("is 404 for unknown jobs, ids that are none, and jobs of others", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    for (const [path, as] of [
      [`/jobs/${randomUUID()}`, "alice"],
      ["/jobs/one", "alice"],
      [`/jobs/${id}`, "bob"],
      [`/jobs/${id}/log`, "bob"],
      [`/jobs/${id}/events`, "bob"],
      [`/jobs/${id}/result`, "bob"],
    ] as const) {
      const response = await fixture.request(path, { as });
      expect(response.status, path).toBe(404);
      expect(await response.json()).toMatchObject({ code: "not_found" });
    }
    expect((await fixture.request(`/jobs/${id}`, { as: "admin" })).status).toBe(200);
  });

  it("takes ids in upper case", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    expect((await fixture.request(`/jobs/${id.toUpperCase()}`)).status).toBe(200);
  });
});

describe("GET /jobs", () => {
  it("lists the caller's own, newest first, and all for administrators", async () => {
    await using fixture = createFixture();
    const first = await fixture.create();
    const second = await fixture.create();
    const foreign = await fixture.create({}, { as: "bob" });
    const list = async (path: string, as = "alice") => {
      const response = await fixture.request(path, { as });
      const { jobs } = (await response.json()) as { jobs: { job_id: string }[] };
      return jobs.map((job) => job.job_id);
    };
    expect(await list("/jobs")).toEqual([second, first]);
    expect(await list("/jobs?limit=1")).toEqual([second]);
    expect(await list("/jobs?status=completed")).toEqual([]);
    expect(await list("/jobs", "admin")).toEqual([foreign, second, first]);
  });

  it.each(["limit=0", "limit=201", "limit=x", "status=done", "dead_letter=maybe"])(
    "refuses ?%s",
    async (query) => {
      await using fixture = createFixture();
      expect((await fixture.request(`/jobs?${query}`)).status).toBe(400);
    },
  );
});

describe("cancel", () => {
  it.each([
    ["DELETE", ""],
    ["POST", "/cancel"],
  ])("%s /jobs/{id}%s ends a waiting job at once", async (method, suffix) => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const response = await fixture.request(`/jobs/${id}${suffix}`, { method });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: "failed", error_code: "cancelled" });
  });

  it("asks the holder of a running job: 202", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const lease = await fixture.claim();
    const response = await fixture.request(`/jobs/${id}`, { method: "DELETE" });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ status: "processing", cancel_requested: true });
    expect(await lease.renew()).toEqual({ held: true, cancelRequested: true });
  });

  it("does not end jobs of others", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const response = await fixture.request(`/jobs/${id}`, { method: "DELETE", as: "bob" });
    expect(response.status).toBe(404);
    expect(await fixture.queue.get(id)).toMatchObject({ status: "queued" });
  });
});

describe("quotas", () => {
  it("holds a key to its unfinished jobs, also when they come at once", async () => {
    await using fixture = createFixture();
    const responses = await Promise.all(
      Array.from({ length: 6 }, () => fixture.request("/jobs", post(REQUEST, { as: "poor" }))),
    );
    const statuses = responses.map(({ status }) => status).sort((a, b) => a - b);
    expect(statuses).toEqual([202, 202, 429, 429, 429, 429]);
    await (await fixture.claim()).complete(MANIFEST);
    expect((await fixture.request("/jobs", post(REQUEST, { as: "poor" }))).status).toBe(202);
  });

  it("holds a key to its rate, and leaves others alone", async () => {
    await using fixture = createFixture();
    for (let i = 0; i < 3; i++) await fixture.create({}, { as: "slow" });
    const response = await fixture.request("/jobs", post(REQUEST, { as: "slow" }));
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await fixture.request("/jobs", { as: "slow" })).status).toBe(200);
    await fixture.create();
  });
});

describe("mounted", () => {
  it("links below its mount path, also in the middle of a user's own app", async () => {
    await using fixture = createFixture();
    const own = new Hono();
    own.get("/", (c) => c.text("mine"));
    own.route("/lipsync", fixture.app);
    const auth = { authorization: "Bearer alice" };
    const ask = (path: string, init: RequestInit = {}) =>
      own.request(path, { ...init, headers: { ...(init.headers as object), ...auth } });
    const created = await ask("/lipsync/jobs", post(REQUEST));
    const { _links: links } = (await created.json()) as { _links: { self: string; log: string } };
    expect(links.self).toMatch(/^\/lipsync\/jobs\//);
    expect(created.headers.get("location")).toBe(links.self);
    expect(await (await ask(links.self)).json()).toMatchObject({ _links: links });
    expect((await ask(links.log)).status).toBe(200);
    const missing = await ask("/lipsync/nothing");
    expect(missing.status).toBe(404);
    expect(missing.headers.get("content-type")).toBe("application/problem+json");
    expect((await ask("/lipsync/jobs", { method: "PATCH" })).status).toBe(405);
    expect((await own.request("/lipsync/jobs")).status).toBe(401);
    expect(await (await ask("/lipsync/openapi.json")).json()).toMatchObject({
      servers: [{ url: "/lipsync" }],
    });
    for (const path of ["/lipsync", "/lipsync/"]) {
      expect(await (await ask(path)).json()).toMatchObject({ _links: { jobs: "/lipsync/jobs" } });
    }
    expect(await (await ask("/")).text()).toBe("mine");
  });
});

describe("without credentials", () => {
  it.each([
    ["POST", "/jobs"],
    ["GET", "/jobs"],
    ["PUT", `/jobs/${randomUUID()}`],
    ["GET", `/jobs/${randomUUID()}`],
    ["DELETE", `/jobs/${randomUUID()}`],
    ["POST", `/jobs/${randomUUID()}/cancel`],
    ["GET", `/jobs/${randomUUID()}/log`],
    ["GET", `/jobs/${randomUUID()}/events`],
    ["GET", `/jobs/${randomUUID()}/result`],
    ["POST", "/process"],
    ["POST", "/pubsub"],
    ["PUT", "/uploads"],
    ["GET", "/uploads/x"],
    ["GET", "/metrics"],
  ])("%s %s is 401", async (method, path) => {
    await using fixture = createFixture();
    for (const as of ["", "nobody"]) {
      const response = await fixture.request(path, { method, as });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
    }
  });
});
