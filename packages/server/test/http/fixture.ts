/** An app on an in-memory queue, with uploads in memory and a worker that only pretends. */
import { createHash, randomUUID } from "node:crypto";
import { LatentSyncError } from "@ls/core";
import { expect } from "vitest";
import { z } from "zod";
import { createApp } from "../../src/http/app.ts";
import type { AppServices, AuditRecord, Identity, Uploads } from "../../src/http/services.ts";
import type { JobLease, JobQueue, JobQueueLimits } from "../../src/jobs/job-queue.ts";
import type { JobManifest } from "../../src/jobs/job.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";

export const REQUEST = {
  video_in: "https://example.com/video.mp4",
  audio_in: "https://example.com/speech.wav",
  out: "https://example.com/out.mp4?signature=1",
} as const;

export const MANIFEST: JobManifest = {
  software: { name: "latentsync-ts", version: "0.0.0" },
  model: { name: "demo", files: { "unet.pt": "00" } },
  runtime: { name: "cpu", hardware: "any" },
  settings: { inferenceSteps: 20 },
  inputs: {
    video_in: { sha256: "aa", sizeBytes: 1 },
    audio_in: { sha256: "bb", sizeBytes: 2 },
  },
  output: { sha256: "cc", sizeBytes: 3 },
  frames: 25,
  framesWithoutFace: 0,
  stageSeconds: { frames: 1.5 },
};

export interface Fixture extends AsyncDisposable {
  readonly app: ReturnType<typeof createApp>;
  readonly queue: JobQueue;
  readonly uploads: Uploads;
  readonly audits: AuditRecord[];
  readonly reports: unknown[];
  /** Sends a request as `alice`, and checks the answer against the OpenAPI document. */
  request(path: string, init?: RequestInit & { readonly as?: string }): Promise<Response>;
  /** Creates a job and answers its id. */
  create(body?: object, init?: { readonly as?: string }): Promise<string>;
  claim(): Promise<JobLease>;
  /** Completes or fails every job that comes, until the fixture is disposed. */
  work(how?: (lease: JobLease) => Promise<unknown>): void;
}

/** Bearer tokens are names: `admin` is the administrator, `nobody` is not known. */
async function authenticate(request: Request): Promise<Identity | undefined> {
  const name = /^Bearer (\w+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (name === undefined || name === "nobody") return undefined;
  const quota = { poor: { maxUnfinished: 2 }, slow: { perMinute: 3 } }[name];
  return { id: name, role: name === "admin" ? "admin" : "user", ...(quota && { quota }) };
}

export function createFixture(
  options: {
    readonly services?: Partial<AppServices>;
    readonly queueLimits?: JobQueueLimits;
    readonly mount?: (app: ReturnType<typeof createApp>) => ReturnType<typeof createApp>;
  } = {},
): Fixture {
  const queue = openSqliteQueue({ path: ":memory:", limits: options.queueLimits });
  const uploads = memoryUploads();
  const audits: AuditRecord[] = [];
  const reports: unknown[] = [];
  const stop = new AbortController();
  const app = createApp({
    queue,
    uploads,
    authenticate,
    version: "1.2.3",
    async checkLocations({ out, video_in: video }) {
      for (const url of [out, video]) {
        if (!url.includes("169.254")) continue;
        throw new LatentSyncError("forbidden", "video_in leads to a private address.");
      }
    },
    health: { state: () => "ready", checkWeights: async () => [] },
    audit: (record) => audits.push(record),
    report: (error) => reports.push(error),
    ...options.services,
  });
  const check = createAnswerCheck(app);
  const fixture: Fixture = {
    app,
    queue,
    uploads,
    audits,
    reports,
    async request(path, { as = "alice", ...init } = {}) {
      const headers = new Headers(init.headers);
      if (as !== "") headers.set("authorization", `Bearer ${as}`);
      const response = await app.request(path, { ...init, headers });
      await check(init.method ?? "GET", path, response);
      return response;
    },
    async create(body = {}, init = {}) {
      const response = await fixture.request("/jobs", post({ ...REQUEST, ...body }, init));
      expect(response.status).toBe(202);
      return ((await response.json()) as { job_id: string }).job_id;
    },
    async claim() {
      const lease = await queue.claim({ signal: AbortSignal.timeout(30_000) });
      if (!lease) throw new Error("No job came.");
      return lease;
    },
    work(how = (lease) => lease.complete(MANIFEST)) {
      void (async () => {
        for (;;) {
          const lease = await queue.claim({ signal: stop.signal });
          if (!lease) return;
          await how(lease);
        }
      })();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await queue[Symbol.asyncDispose]();
    },
  };
  return fixture;
}

export function post(
  body: unknown,
  init: RequestInit & { readonly as?: string } = {},
): RequestInit & { readonly as?: string } {
  return {
    method: "POST",
    ...init,
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...(init.headers as Record<string, string>) },
  };
}

function memoryUploads(): Uploads {
  const stored = new Map<string, { owner: string; contentType: string; bytes: Buffer }>();
  return {
    async store({ body, contentType, maxSizeBytes, owner }) {
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const part of body) {
        size += part.byteLength;
        if (size > maxSizeBytes) throw new LatentSyncError("too_large", "The upload is too large.");
        parts.push(part);
      }
      const bytes = Buffer.concat(parts);
      const id = randomUUID();
      stored.set(id, { owner, contentType, bytes });
      return { id, sizeBytes: size, sha256: sha256(bytes) };
    },
    async find(id, { owner }) {
      const found = stored.get(id);
      if (!found || (owner !== undefined && found.owner !== owner)) return undefined;
      const { bytes, contentType } = found;
      return {
        contentType,
        sizeBytes: bytes.length,
        sha256: sha256(bytes),
        async *read({ end, start }) {
          for (let at = start; at <= end; at += 1000) {
            yield bytes.subarray(at, Math.min(at + 1000, end + 1));
          }
        },
      };
    },
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface OpenApi {
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>
  >;
  readonly components: { readonly schemas: Record<string, object> };
}

/** Holds every answer against the document: its status, its media type, and its JSON. */
function createAnswerCheck(
  app: ReturnType<typeof createApp>,
): (method: string, path: string, response: Response) => Promise<void> {
  let document: OpenApi | undefined;
  return async (method, path, response) => {
    document ??= (await (await app.request("/openapi.json")).json()) as OpenApi;
    const route = Object.entries(document.paths).find(([pattern]) =>
      new RegExp(`^${pattern.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path.split("?")[0] ?? ""),
    )?.[1]?.[method === "HEAD" ? "get" : method.toLowerCase()];
    const type = response.headers.get("content-type")?.split(";")[0] ?? "";
    if (response.status >= 400 && response.status !== 503)
      expect(type).toBe("application/problem+json");
    const answer = route?.responses[response.status] ?? route?.responses["default"];
    if (!answer || response.status === 304 || method === "HEAD") return;
    if (response.status === 204) return;
    if (type.startsWith("video/") || type.startsWith("audio/")) return;
    const media = answer.content?.[type] ?? route?.responses["default"]?.content?.[type];
    expect(media, `${method} ${path} ${response.status} ${type}`).toBeDefined();
    if (!type.endsWith("json") || path === "/openapi.json") return;
    const schema = z.fromJSONSchema(
      inlined(media?.schema ?? {}, document.components.schemas) as Parameters<
        typeof z.fromJSONSchema
      >[0],
    );
    const result = schema.safeParse(await response.clone().json());
    expect(result.error?.issues ?? [], `${method} ${path} ${response.status}`).toEqual([]);
  };
}

function inlined(schema: unknown, components: Record<string, object>): unknown {
  if (Array.isArray(schema)) return schema.map((item) => inlined(item, components));
  if (typeof schema !== "object" || schema === null) return schema;
  const { $ref } = schema as { $ref?: string };
  if ($ref !== undefined) {
    return inlined(components[$ref.replace("#/components/schemas/", "")], components);
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, inlined(value, components)]),
  );
}

/** Text of a stream up to a mark. */
export async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  mark: string,
): Promise<string> {
  let text = "";
  while (!text.includes(mark)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The stream ended before ${JSON.stringify(mark)}: ${text}`);
    text += new TextDecoder().decode(value);
  }
  return text;
}
