/** The server's own storage: uploads of users without buckets, and results kept here. */
import { z } from "zod";
import { timedBody } from "./body.ts";
import { parseRange } from "./byte-range.ts";
import { type AppContext, type AppState, audit, visibleOwner } from "./context.ts";
import { lazyBody } from "./event-stream.ts";
import { pathId, visibleJob } from "./job-intake.ts";
import { hasOwnResult } from "./job-view.ts";
import { ProblemError } from "./problem.ts";
import { type AppMiddleware, type RouteTable, jsonAnswer } from "./route-table.ts";
import type { UploadedObject, Uploads } from "./services.ts";

/** What a browser may play from here; everything else is plain bytes to it. */
const PLAYABLE = /^(?:video|audio)\/[\w.+-]+$/;
const PLAIN = "application/octet-stream";

const uploadSchema = z
  .strictObject({
    id: z.string(),
    url: z.string().describe("For video_in or audio_in: upload:ID."),
    size_bytes: z.int(),
    sha256: z.string(),
    _links: z.strictObject({ self: z.string() }),
  })
  .meta({ id: "Upload" });

const bytes = {
  description: "The bytes.",
  content: { [PLAIN]: { schema: z.string().meta({ format: "binary" }) } },
};
const responses = { 200: bytes, 206: { ...bytes, description: "The asked range." } };
const rangeHeader = z.object({ range: z.string().optional().describe("One range of bytes.") });

export function addUploadRoutes(
  table: RouteTable,
  state: AppState,
  guards: { readonly read: readonly AppMiddleware[]; readonly create: readonly AppMiddleware[] },
): void {
  const { uploads } = state;
  if (!uploads) return;
  table.add(
    {
      method: "put",
      path: "/uploads",
      summary: "Store a video or sound for later jobs",
      request: {
        body: {
          required: true,
          content: { "*/*": { schema: z.string().meta({ format: "binary" }) } },
        },
      },
      responses: { 201: jsonAnswer("It is stored.", uploadSchema) },
    },
    (c) => storeUpload(state, uploads, c),
    { before: guards.create },
  );
  table.add(
    {
      method: "get",
      path: "/uploads/{id}",
      summary: "Read an upload",
      request: { params: z.object({ id: z.string() }), headers: rangeHeader },
      responses,
    },
    async (c) => {
      const id = pathId(c);
      const found = await findUpload(uploads, c, id);
      audit(state, c, { action: "upload.read", outcome: "done", uploadId: id });
      return sendObject(c, found);
    },
    { before: guards.read },
  );
  table.add(
    {
      method: "get",
      path: "/jobs/{id}/result",
      summary: "Read the result of a job whose out is upload:",
      request: { params: z.object({ id: z.uuid() }), headers: rangeHeader },
      responses,
    },
    async (c) => {
      const job = await visibleJob(state, c);
      if (!hasOwnResult(job)) {
        throw new ProblemError({
          code: "not_found",
          message: `The server keeps no result of job ${job.id}, which is ${job.status}.`,
          hint: "Results are kept here only for completed jobs whose out is upload:.",
        });
      }
      const found = await uploads.find(job.id, {});
      if (!found) throw noSuchUpload(job.id);
      audit(state, c, { action: "job.result", outcome: "done", jobId: job.id });
      return sendObject(c, found);
    },
    { before: guards.read },
  );
}

async function storeUpload(state: AppState, uploads: Uploads, c: AppContext): Promise<Response> {
  const { limits } = state;
  if (Number(c.req.header("content-length") ?? 0) > limits.maxUploadBytes) {
    throw new ProblemError({
      code: "too_large",
      message: `The upload is larger than ${limits.maxUploadBytes} bytes.`,
      headers: { connection: "close" },
    });
  }
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  const stored = await uploads.store({
    owner: c.var.identity.id,
    contentType: PLAYABLE.test(type) ? type : PLAIN,
    body: timedBody(c.req.raw, {
      idleMs: limits.uploadIdleTimeoutMs,
      totalMs: limits.uploadTimeoutMs,
    }),
    maxSizeBytes: limits.maxUploadBytes,
    signal: c.req.raw.signal,
  });
  audit(state, c, { action: "upload.create", outcome: "done", uploadId: stored.id });
  const self = `${c.var.base}/uploads/${stored.id}`;
  return c.json(
    {
      id: stored.id,
      url: `upload:${stored.id}`,
      size_bytes: stored.sizeBytes,
      sha256: stored.sha256,
      _links: { self },
    },
    201,
    { location: self },
  );
}

async function findUpload(uploads: Uploads, c: AppContext, id: string): Promise<UploadedObject> {
  const owner = visibleOwner(c.var.identity);
  const found = await uploads.find(id, { ...(owner !== undefined && { owner }) });
  if (!found) throw noSuchUpload(id);
  return found;
}

function noSuchUpload(id: string): ProblemError {
  return new ProblemError({
    code: "not_found",
    message: `There is no upload ${JSON.stringify(id.slice(0, 80))}.`,
    hint: "Uploads and results are kept for a limited time.",
  });
}

function sendObject(c: AppContext, object: UploadedObject): Response {
  const { sizeBytes } = object;
  const etag = `"${object.sha256}"`;
  const headers = {
    "accept-ranges": "bytes",
    "content-type": PLAYABLE.test(object.contentType) ? object.contentType : PLAIN,
    "content-disposition": "inline",
    "cache-control": "private, no-cache",
    etag,
  };
  if (c.req.header("if-none-match") === etag) return c.body(null, 304, headers);
  const condition = c.req.header("if-range");
  const isSame = condition === undefined || condition === etag;
  const range = isSame ? parseRange(c.req.header("range"), sizeBytes) : undefined;
  if (range === "unsatisfiable") {
    throw new ProblemError({
      code: "invalid_argument",
      status: 416,
      message: `The object has ${sizeBytes} bytes.`,
      headers: { "content-range": `bytes */${sizeBytes}` },
    });
  }
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
  const contentLength = String(end - start + 1);
  const sent = {
    ...headers,
    "content-length": contentLength,
    ...(range && { "content-range": `bytes ${start}-${end}/${sizeBytes}` }),
  };
  if (c.req.method === "HEAD" || sizeBytes === 0) return c.body(null, range ? 206 : 200, sent);
  const stop = new AbortController();
  const parts = object.read({ start, end, signal: stop.signal });
  const abort = () => {
    stop.abort();
  };
  return c.body(lazyBody(parts, { abort }), range ? 206 : 200, sent);
}
