import { describe, expect, it } from "vitest";
import { parseRange } from "../../src/http/byte-range.ts";
import { MANIFEST, type Fixture, REQUEST, createFixture, post } from "./fixture.ts";

const BYTES = Uint8Array.from({ length: 2500 }, (_, i) => i % 251);

async function upload(fixture: Fixture, contentType = "video/mp4"): Promise<string> {
  const response = await fixture.request("/uploads", {
    method: "PUT",
    body: BYTES,
    headers: { "content-type": contentType },
  });
  expect(response.status).toBe(201);
  const body = (await response.json()) as { id: string; url: string };
  expect(body).toMatchObject({ url: `upload:${body.id}`, size_bytes: 2500 });
  return body.id;
}

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

describe("uploads", () => {
  it("gives back what was stored, whole and in ranges", async () => {
    await using fixture = createFixture();
    const path = `/uploads/${await upload(fixture)}`;
    const whole = await fixture.request(path);
    expect(whole.headers.get("content-type")).toBe("video/mp4");
    expect(whole.headers.get("content-length")).toBe("2500");
    expect(await bytesOf(whole)).toEqual(BYTES);
    const part = await fixture.request(path, { headers: { range: "bytes=990-1010" } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe("bytes 990-1010/2500");
    expect(await bytesOf(part)).toEqual(BYTES.subarray(990, 1011));
    const none = await fixture.request(path, { headers: { range: "bytes=2500-" } });
    expect(none.status).toBe(416);
    expect(none.headers.get("content-range")).toBe("bytes */2500");
    const etag = whole.headers.get("etag") ?? "";
    const known = await fixture.request(path, { headers: { "if-none-match": etag } });
    expect(known.status).toBe(304);
    const changed = { range: "bytes=0-1", "if-range": '"other"' };
    expect((await fixture.request(path, { headers: changed })).status).toBe(200);
    const head = await fixture.request(path, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe("2500");
  });

  it("belong to their owner", async () => {
    await using fixture = createFixture();
    const id = await upload(fixture);
    expect((await fixture.request(`/uploads/${id}`, { as: "bob" })).status).toBe(404);
    const body = { ...REQUEST, video_in: `upload:${id}`, out: "upload:" };
    expect((await fixture.request("/jobs", post(body, { as: "bob" }))).status).toBe(422);
    expect((await fixture.request("/jobs", post(body))).status).toBe(202);
  });

  it("are never active content", async () => {
    await using fixture = createFixture();
    const id = await upload(fixture, "text/html");
    const response = await fixture.request(`/uploads/${id}`);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("content-security-policy")).toContain("sandbox");
  });

  it("have a limit of size, told or found out", async () => {
    await using fixture = createFixture({ services: { limits: { maxUploadBytes: 2000 } } });
    const told = await fixture.request("/uploads", {
      method: "PUT",
      body: BYTES,
      headers: { "content-length": "2500" },
    });
    expect(told.status).toBe(413);
    const streamed = await fixture.request("/uploads", {
      method: "PUT",
      body: new Blob([BYTES]).stream(),
      duplex: "half",
    });
    expect(streamed.status).toBe(413);
  });

  it("that stand still are ended with 408", async () => {
    await using fixture = createFixture({ services: { limits: { uploadIdleTimeoutMs: 30 } } });
    const response = await fixture.request("/uploads", {
      method: "PUT",
      body: new ReadableStream({
        start(controller) {
          controller.enqueue(BYTES);
        },
      }),
      duplex: "half",
    });
    expect(response.status).toBe(408);
  });

  it.each(["upload:ID", "UPLOAD:ID", "Upload:ID", " upload:ID", "up\tload:ID", "upload:ID "])(
    "of somebody else are refused, spelt as %j",
    async (spelling) => {
      await using fixture = createFixture();
      const location = spelling.replace("ID", await upload(fixture));
      for (const body of [{ video_in: location }, { audio_in: location }, { out: location }]) {
        const response = await fixture.request(
          "/jobs",
          post({ ...REQUEST, ...body }, { as: "bob" }),
        );
        expect(response.status).toBe(422);
      }
    },
  );

  it.each(["upload:x", "upload:../../etc/passwd", "UPLOAD:"])("out %s is refused", async (out) => {
    await using fixture = createFixture();
    expect((await fixture.request("/jobs", post({ ...REQUEST, out }))).status).toBe(422);
  });

  it("are refused where the server keeps nothing", async () => {
    await using fixture = createFixture();
    const { createApp } = await import("../../src/http/app.ts");
    const app = createApp({
      queue: fixture.queue,
      version: "1",
      authenticate: async () => ({ id: "alice", role: "user" }),
      checkLocations: async () => undefined,
      health: { state: () => "ready", checkWeights: async () => [] },
    });
    const response = await app.request("/jobs", post({ ...REQUEST, out: "upload:" }));
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: "unsupported" });
  });
});

describe("GET /jobs/{id}/result", () => {
  it("is there when the job is completed and out is upload:", async () => {
    await using fixture = createFixture();
    const stored = await upload(fixture);
    const original = fixture.uploads.find;
    const id = await fixture.create({ out: "upload:" });
    // The result has the job's id; here it is the upload under another name.
    Object.assign(fixture.uploads, {
      find: (asked: string, options: { owner?: string }) =>
        original(asked === id ? stored : asked, options),
    });
    expect((await fixture.request(`/jobs/${id}/result`)).status).toBe(404);
    await (await fixture.claim()).complete(MANIFEST);
    const view = await (await fixture.request(`/jobs/${id}`)).json();
    expect(view).toMatchObject({ _links: { result: `/jobs/${id}/result` } });
    const result = await fixture.request(`/jobs/${id}/result`, {
      headers: { range: "bytes=-100" },
    });
    expect(result.status).toBe(206);
    expect(await bytesOf(result)).toEqual(BYTES.subarray(2400));
    expect((await fixture.request(`/jobs/${id}/result`, { as: "bob" })).status).toBe(404);
  });

  it("is 404 if the result was put elsewhere", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    await (await fixture.claim()).complete(MANIFEST);
    expect((await fixture.request(`/jobs/${id}/result`)).status).toBe(404);
  });
});

describe("parseRange", () => {
  it.each([
    [undefined, 10, undefined],
    ["bytes=0-3", 10, { start: 0, end: 3 }],
    ["bytes=4-", 10, { start: 4, end: 9 }],
    ["bytes=0-99", 10, { start: 0, end: 9 }],
    ["bytes=-4", 10, { start: 6, end: 9 }],
    ["bytes=-40", 10, { start: 0, end: 9 }],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=5-4", 10, undefined],
    ["bytes=0-1,3-4", 10, undefined],
    ["bytes=-", 10, undefined],
    ["items=0-1", 10, undefined],
  ])("%s of %i bytes", (header, sizeBytes, expected) => {
    expect(parseRange(header, sizeBytes)).toEqual(expected);
  });
});
