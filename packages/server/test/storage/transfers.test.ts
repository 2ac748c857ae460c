import { createHash } from "node:crypto";
import { readdir, readFile, readlink, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { describe, expect, it } from "vitest";
import { createGuardedConnector } from "../../src/net/index.ts";
import { Crc32c } from "../../src/storage/crc32c.ts";
import { downloadTo } from "../../src/storage/download.ts";
import { createHttpStorage } from "../../src/storage/http-storage.ts";
import { publishFile } from "../../src/storage/publish.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { failure } from "./failure.ts";
import { etagOf, type ObjectServer, startObjectServer } from "./object-server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
const sha256 = createHash("sha256").update(bytes).digest("hex");
const quick = { retryDelayMs: 5, maxBytes: 1e9 };

interface Scene extends AsyncDisposable {
  readonly storage: Storage;
  readonly server: ObjectServer;
  readonly url: URL;
  readonly folder: string;
  readonly path: string;
}

async function scene(
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean,
): Promise<Scene> {
  const server = await startObjectServer(intercept);
  server.objects.set("/video?key=secret", bytes);
  const folder = await temporaryFolder();
  const connector = createGuardedConnector({
    allowedPrivateHosts: [server.host],
    minBytesPerSecond: 1000,
    transferWindowMs: 400,
  });
  return {
    server,
    storage: createHttpStorage(connector),
    url: new URL(`${server.origin}/video?key=secret`),
    folder: folder.path,
    path: join(folder.path, "video.mp4"),
    async [Symbol.asyncDispose]() {
      await connector[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Sends the first `length` bytes of the object from where it was asked, then breaks off. */
function breakOff(
  request: IncomingMessage,
  response: ServerResponse,
  length: number,
  headers: Readonly<Record<string, string>>,
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": bytes.length - start,
    ...(start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
    ...headers,
  });
  response.write(bytes.subarray(start, start + length), () => {
    setTimeout(() => response.destroy(), 20);
  });
}

describe("downloads", () => {
  it("go on where they were interrupted", async () => {
    let cuts = 0;
    await using at = await scene((request, response) => {
      if (cuts === 3) return false;
      cuts += 1;
      breakOff(request, response, 50_000, { etag: etagOf(bytes) });
      return true;
    });
    const seen: number[] = [];
    const result = await downloadTo(at.storage, at.url, at.path, {
      ...quick,
      onProgress: ({ bytesDone, bytesTotal }) => {
        seen.push(bytesDone);
        expect(bytesTotal).toBe(bytes.length);
      },
    });
    expect(result).toEqual({ sizeBytes: bytes.length, sha256 });
    expect((await readFile(at.path)).equals(bytes)).toBe(true);
    expect(at.server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      "bytes=50000-",
      "bytes=100000-",
      "bytes=150000-",
    ]);
    expect(at.server.requests[1]?.headers["if-range"]).toBe(etagOf(bytes));
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(await readdir(at.folder)).toEqual(["video.mp4"]);
  });

  it.each([
    ["without an etag", {}],
    ["with a weak etag", { etag: 'W/"1"' }],
  ])("start again %s", async (_name, headers) => {
    let cuts = 0;
    await using at = await scene((request, response) => {
      cuts += 1;
      if (cuts > 2) {
        response.writeHead(200, headers).end(bytes);
      } else {
        breakOff(request, response, 70_000, headers);
      }
      return true;
    });
    expect((await downloadTo(at.storage, at.url, at.path, quick)).sha256).toBe(sha256);
    expect(at.server.requests.map(({ headers: sent }) => sent.range)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("start again if the object was replaced meanwhile", async () => {
    let isCut = false;
    await using at = await scene((request, response) => {
      if (isCut) return false;
      isCut = true;
      breakOff(request, response, 70_000, { etag: '"of another object"' });
      return true;
    });
    expect((await downloadTo(at.storage, at.url, at.path, quick)).sha256).toBe(sha256);
    expect((await readFile(at.path)).equals(bytes)).toBe(true);
  });

  it("that never become whole fail, and leave nothing", async () => {
    await using at = await scene((request, response) => {
      breakOff(request, response, 100, {});
      return true;
    });
    const error = await failure(downloadTo(at.storage, at.url, at.path, { ...quick, attempts: 3 }));
    expect(error.code).toBe("network");
    expect(error.message).not.toContain("secret");
    expect(at.server.requests).toHaveLength(3);
    expect(await readdir(at.folder)).toEqual([]);
  });

  it.each([500, 502, 503, 429, 408])("are tried again after %i", async (status) => {
    let failures = 0;
    await using at = await scene((_request, response) => {
      failures += 1;
      if (failures > 2) return false;
      response.writeHead(status).end();
      return true;
    });
    expect((await downloadTo(at.storage, at.url, at.path, quick)).sha256).toBe(sha256);
  });

  it.each([
    [400, "unsupported"],
    [401, "forbidden"],
    [403, "forbidden"],
    [404, "not_found"],
    [410, "not_found"],
  ] as const)("are not tried again after %i", async (status, code) => {
    await using at = await scene((_request, response) => {
      response.writeHead(status).end("secret reason");
      return true;
    });
    const error = await failure(downloadTo(at.storage, at.url, at.path, quick));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain("secret");
    expect(at.server.requests).toHaveLength(1);
  });

  it("end at the limit, whether the size is announced or not", async () => {
    await using at = await scene((request, response) => {
      if (request.headers["x-never"]) return false;
      response.writeHead(200, { etag: etagOf(bytes) });
      response.end(bytes);
      return true;
    });
    const limited = { ...quick, maxBytes: bytes.length - 1 };
    expect((await failure(downloadTo(at.storage, at.url, at.path, limited))).code).toBe(
      "too_large",
    );
    await using announced = await scene();
    const { storage, url, path, server } = announced;
    expect((await failure(downloadTo(storage, url, path, limited))).code).toBe("too_large");
    expect(server.requests).toHaveLength(1);
    expect(await readdir(announced.folder)).toEqual([]);
    const exact = { ...quick, maxBytes: bytes.length };
    expect((await downloadTo(storage, url, path, exact)).sizeBytes).toBe(bytes.length);
  });

  it("of a source at a few bytes a second fail with timeout", async () => {
    await using at = await scene((_request, response) => {
      const timer = setInterval(() => response.write("x"), 50);
      response.on("close", () => clearInterval(timer));
      return true;
    });
    const error = await failure(downloadTo(at.storage, at.url, at.path, { ...quick, attempts: 2 }));
    expect(error.code).toBe("timeout");
    expect(await readdir(at.folder)).toEqual([]);
  });

  it("that are aborted end with the reason, and leave nothing", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    await using at = await scene((_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1000), () => controller.abort(reason));
      return true;
    });
    const { signal } = controller;
    const work = downloadTo(at.storage, at.url, at.path, { ...quick, signal });
    await expect(work).rejects.toBe(reason);
    expect(await readdir(at.folder)).toEqual([]);
  });

  const md5 = createHash("md5").update(bytes).digest("base64");
  it.each([
    ["crc32c", { "x-goog-hash": `crc32c=${new Crc32c().update(bytes).digest("base64")}` }],
    ["md5", { "x-goog-hash": `crc32c=AAAAAA==,md5=${md5}` }],
    ["md5", { "content-md5": md5 }],
    ["sha256", { "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64") }],
  ])("are compared with the %s that the store states (%#)", async (algorithm, headers) => {
    let isDamaged = true;
    await using at = await scene((_request, response) => {
      response.writeHead(200, { etag: '"1"', ...headers });
      response.end(isDamaged ? bytes.with(1000, 99) : bytes);
      return true;
    });
    const error = await failure(downloadTo(at.storage, at.url, at.path, { ...quick, attempts: 2 }));
    expect(error.code).toBe("network");
    expect(error.message).toContain(algorithm);
    expect(at.server.requests.map((request) => request.headers.range)).toEqual([
      undefined,
      undefined,
    ]);
    isDamaged = false;
    expect((await downloadTo(at.storage, at.url, at.path, quick)).sha256).toBe(sha256);
  });

  it("with a checksum are checked as a whole after an interruption", async () => {
    let isCut = false;
    const hash = { "x-goog-hash": `crc32c=${new Crc32c().update(bytes).digest("base64")}` };
    await using at = await scene((request, response) => {
      const length = isCut ? bytes.length : 123_456;
      if (isCut) breakOff(request, response, length, { etag: '"1"' });
      else breakOff(request, response, length, { etag: '"1"', ...hash });
      isCut = true;
      return true;
    });
    expect((await downloadTo(at.storage, at.url, at.path, quick)).sha256).toBe(sha256);
    expect(at.server.requests).toHaveLength(2);
  });

  it("say when the disk is full", async () => {
    await using at = await scene();
    const full: Storage = {
      protocols: ["test:"],
      put: () => Promise.resolve(),
      open: async () => ({
        sizeBytes: undefined,
        etag: undefined,
        offset: 0,
        checksum: undefined,
        body: (async function* body() {
          yield bytes;
          throw Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" });
        })(),
      }),
    };
    const error = await failure(downloadTo(full, at.url, at.path, quick));
    expect(error.code).toBe("disk_full");
    expect(error.message).not.toContain(at.folder);
    expect(await readdir(at.folder)).toEqual([]);
  });

  it("that are packed are refused", async () => {
    await using at = await scene((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(bytes);
      return true;
    });
    expect((await failure(downloadTo(at.storage, at.url, at.path, quick))).code).toBe(
      "unsupported",
    );
  });
});

describe("publishing", () => {
  async function result(at: Scene): Promise<string> {
    const path = join(at.folder, "result.mp4");
    await writeFile(path, bytes);
    return path;
  }
  const contentType = "video/mp4";

  it("sends the file once, with its length and type", async () => {
    await using at = await scene();
    const path = await result(at);
    const stored = await publishFile(at.storage, at.url, path, { contentType });
    expect(stored).toEqual({ sizeBytes: bytes.length, sha256 });
    expect(at.server.requests).toHaveLength(1);
    const { method, headers } = at.server.requests[0]!;
    expect(method).toBe("PUT");
    expect(headers["content-type"]).toBe(contentType);
    expect(headers["content-length"]).toBe(String(bytes.length));
    expect(headers["transfer-encoding"]).toBeUndefined();
    expect(at.server.objects.get("/video?key=secret")?.equals(bytes)).toBe(true);
  });

  it.each([500, 503, 429])("is tried again after %i", async (status) => {
    let failures = 0;
    await using at = await scene((request, response) => {
      failures += 1;
      if (failures > 2) return false;
      request.resume();
      request.on("end", () => response.writeHead(status).end());
      return true;
    });
    await publishFile(at.storage, at.url, await result(at), { contentType, retryDelayMs: 5 });
    expect(at.server.requests).toHaveLength(3);
  });

  it("is tried again after a broken connection", async () => {
    let failures = 0;
    await using at = await scene((request) => {
      failures += 1;
      if (failures > 1) return false;
      request.socket.destroy();
      return true;
    });
    await publishFile(at.storage, at.url, await result(at), { contentType, retryDelayMs: 5 });
    expect(at.server.requests).toHaveLength(2);
  });

  it.each([
    [400, "unsupported"],
    [403, "forbidden"],
    [404, "not_found"],
    [409, "conflict"],
    [412, "conflict"],
    [413, "too_large"],
  ] as const)("is not tried again after %i", async (status, code) => {
    await using at = await scene((request, response) => {
      request.resume();
      request.on("end", () => response.writeHead(status).end());
      return true;
    });
    const error = await failure(
      publishFile(at.storage, at.url, await result(at), { contentType, retryDelayMs: 5 }),
    );
    expect(error.code).toBe(code);
    expect(at.server.requests).toHaveLength(1);
  });

  it.skipIf(process.platform !== "linux")("leaves no file open if nothing is sent", async () => {
    await using at = await scene();
    const path = await result(at);
    await using connector = createGuardedConnector({
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    });
    const storage = createHttpStorage(connector);
    const error = await failure(
      publishFile(storage, new URL("http://inside.test/out"), path, { contentType }),
    );
    expect(error.code).toBe("forbidden");
    const open = await readdir("/proc/self/fd");
    const paths = open.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ""));
    expect(await Promise.all(paths)).not.toContain(path);
  });

  it("sends nothing that the store has already", async () => {
    await using at = await scene();
    let puts = 0;
    let isThere = false;
    const storage: Storage = {
      protocols: ["test:"],
      open: (url, options) => at.storage.open(url, options),
      holds: () => Promise.resolve(isThere),
      put() {
        puts += 1;
        isThere = true;
        // The answer is lost, though the object arrived.
        return Promise.reject(new LatentSyncError("network", "lost", { hint: "none" }));
      },
    };
    await publishFile(storage, at.url, await result(at), { contentType, retryDelayMs: 5 });
    expect(puts).toBe(1);
  });
});

it("CRC-32C of the published check value", () => {
  const sum = new Crc32c().update(Buffer.from("1234")).update(Buffer.from("56789"));
  expect(Buffer.from(sum.digest("base64"), "base64").toString("hex")).toBe("e3069283");
});
