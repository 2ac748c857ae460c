import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { type ListenLimits, type Listening, listen } from "../../src/http/listen.ts";
import type { AppServices } from "../../src/http/services.ts";
import { type Fixture, MANIFEST, REQUEST, createFixture, post, readUntil } from "./fixture.ts";

interface Served extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly server: Listening;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

async function serve(
  options: {
    readonly services?: Partial<AppServices>;
    readonly limits?: Partial<ListenLimits>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Served> {
  const { signal } = options;
  const fixture = createFixture({ services: options.services ?? {} });
  const server = await listen({
    app: fixture.app,
    port: 0,
    host: "127.0.0.1",
    limits: { drainMs: 1000, ...options.limits },
    ...(signal && { signal }),
  });
  return {
    fixture,
    server,
    fetch: (path, init = {}) =>
      fetch(`${server.url}${path}`, {
        ...init,
        headers: { ...(init.headers as object), authorization: "Bearer alice" },
      }),
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 });
      await fixture[Symbol.asyncDispose]();
    },
  };
}

/** A connection that keeps what it is told. */
async function dial({ port }: Listening): Promise<{ socket: Socket; closed: Promise<string> }> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (data: Buffer) => {
    text += data.toString("latin1");
  });
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => {
    socket.once("close", () => {
      resolve(text);
    });
  });
  await once(socket, "connect");
  return { socket, closed };
}

const HEAD = "Host: localhost\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\n";

describe("bodies", () => {
  it("that are declared too large are refused before they come", async () => {
    await using served = await serve();
    const { closed, socket } = await dial(served.server);
    socket.write(`POST /jobs HTTP/1.1\r\n${HEAD}Content-Length: 104857600\r\n\r\n`);
    expect(await closed).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("without end are refused at the limit", async () => {
    await using served = await serve();
    const { closed, socket } = await dial(served.server);
    socket.write(`POST /jobs HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `4000\r\n${" ".repeat(0x4000)}\r\n`;
    const sending = setInterval(() => socket.write(chunk), 1);
    const answer = await closed;
    clearInterval(sending);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain("application/problem+json");
    expect(await (await served.fetch("/livez")).text()).toBe("ok\n");
  });

  it("that come too slowly are refused with 408", async () => {
    await using served = await serve({ services: { limits: { bodyTimeoutMs: 100 } } });
    const { closed, socket } = await dial(served.server);
    socket.write(`POST /jobs HTTP/1.1\r\n${HEAD}Content-Length: 1000\r\n\r\n{`);
    const sending = setInterval(() => socket.write(" "), 20);
    const answer = await closed;
    clearInterval(sending);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"code":"timeout"');
  });

  it("that are nested deeply are refused, however small", async () => {
    await using served = await serve();
    const depths: readonly (readonly [string, number])[] = [
      ["[".repeat(30_000), 400],
      ['{"a":'.repeat(9000), 400],
      [`"${"[".repeat(1000)}"`, 422],
    ];
    for (const [body, status] of depths) {
      expect((await served.fetch("/jobs", post(body))).status).toBe(status);
    }
  });

  it("of uploads may take longer than headers and other bodies", async () => {
    await using served = await serve({
      services: { limits: { bodyTimeoutMs: 30, uploadIdleTimeoutMs: 60_000 } },
      limits: { headersTimeoutMs: 300 },
    });
    const { closed, socket } = await dial(served.server);
    socket.write(`PUT /uploads HTTP/1.1\r\n${HEAD}Content-Length: 6\r\nConnection: close\r\n\r\n`);
    for (let i = 0; i < 6; i++) {
      await delay(150);
      socket.write("x");
    }
    const answer = await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer).toContain('"size_bytes":6');
  });

  it("of uploads that break off leave nothing", async () => {
    const started = vi.fn();
    const store = vi.fn();
    await using served = await serve({
      services: {
        uploads: {
          find: async () => undefined,
          async store({ body }) {
            started();
            const ended = (async () => {
              for await (const _ of body);
            })();
            await ended.then(
              () => store("whole"),
              (error) => store(error.status),
            );
            await ended;
            return { id: "x", sizeBytes: 0, sha256: "" };
          },
        },
      },
    });
    const { socket } = await dial(served.server);
    socket.write(`PUT /uploads HTTP/1.1\r\n${HEAD}Content-Length: 1000\r\n\r\nabc`);
    await vi.waitFor(() => expect(started).toHaveBeenCalled(), { timeout: 20_000 });
    socket.destroy();
    await vi.waitFor(() => expect(store.mock.calls).toEqual([[400]]), { timeout: 20_000 });
  });
});

describe("connections", () => {
  it("with slow headers do not hold up others, and end with 408", async () => {
    await using served = await serve({ limits: { headersTimeoutMs: 400 } });
    const slow = await Promise.all(Array.from({ length: 1000 }, () => dial(served.server)));
    for (const { socket } of slow) socket.write("GET /livez HTTP/1.1\r\nHost: loc");
    expect((await served.fetch("/livez")).status).toBe(200);
    const answers = await Promise.all(slow.map(({ closed }) => closed));
    expect(new Set(answers.map((answer) => answer.split("\r\n")[0]))).toEqual(
      new Set(["HTTP/1.1 408 Request Timeout"]),
    );
    expect((await served.fetch("/livez")).status).toBe(200);
  });

  it("beyond the silent ones' share close the longest silent", async () => {
    await using served = await serve({ limits: { maxSilentConnections: 5 } });
    const silent = [];
    for (let i = 0; i < 8; i++) silent.push(await dial(served.server));
    const answers = await Promise.all(silent.slice(0, 3).map(({ closed }) => closed));
    // Those that are closed for their slowness are told so.
    expect(answers).toEqual(["", "", ""]);
    expect((await served.fetch("/livez")).status).toBe(200);
    for (const { socket } of silent) socket.destroy();
  });

  it.each([
    ["no HTTP", "hello\r\n\r\n", 400],
    [
      "headers that are too large",
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
      431,
    ],
    ["a broken host", "GET /livez HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400],
    ["no host", "GET /livez HTTP/1.0\r\n\r\n", 400],
  ])("with %s are answered", async (_, text, status) => {
    await using served = await serve();
    const { closed, socket } = await dial(served.server);
    socket.write(text);
    const answer = await closed;
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.toLowerCase()).toContain("application/problem+json");
  });
});

describe("close", () => {
  it("ends event streams, tells waiting clients, and takes no more", async () => {
    await using served = await serve();
    const id = await served.fixture.create();
    const events = await served.fetch(`/jobs/${id}/events`);
    const reader = events.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    await readUntil(reader, "queued");
    const waiting = served.fetch("/process", post(REQUEST));
    await vi.waitFor(async () => {
      expect(await served.fixture.queue.list({ limit: 5 })).toHaveLength(2);
    });
    await served.server.close({ drainMs: 60_000 });
    expect((await reader.read()).done).toBe(true);
    const response = await waiting;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "unavailable" });
    await expect(served.fetch("/livez")).rejects.toThrow("fetch failed");
    expect(await served.fixture.queue.list({ status: "queued", limit: 5 })).toHaveLength(2);
  });

  it("cuts off what does not end in time", async () => {
    await using served = await serve();
    const { closed, socket } = await dial(served.server);
    socket.write(`PUT /uploads HTTP/1.1\r\n${HEAD}Content-Length: 1000\r\n\r\nabc`);
    await delay(50);
    await served.server.close({ drainMs: 50 });
    expect(await closed).toBe("");
  });

  it("follows its signal", async () => {
    const stop = new AbortController();
    await using served = await serve({ signal: stop.signal });
    expect((await served.fetch("/livez")).status).toBe(200);
    stop.abort();
    await vi.waitFor(() => expect(served.fetch("/livez")).rejects.toThrow("fetch failed"));
  });

  it("is refused a port that is taken", async () => {
    await using served = await serve();
    const { port } = served.server;
    await expect(listen({ app: served.fixture.app, port, host: "127.0.0.1" })).rejects.toThrow(
      "EADDRINUSE",
    );
  });
});

describe("a client over the network", () => {
  it("runs a job as the contract says", async () => {
    await using served = await serve();
    served.fixture.work();
    const created = await served.fetch("/jobs", post(REQUEST));
    const { _links: links } = (await created.json()) as { _links: { self: string; log: string } };
    const log = await (await served.fetch(`${links.log}?follow=1`)).text();
    expect(log).toContain("completed");
    expect(await (await served.fetch(links.self)).json()).toMatchObject({
      status: "completed",
      manifest: { output: MANIFEST.output },
    });
    expect(served.fixture.audits[0]?.remoteAddress).toBe("127.0.0.1");
  });
});
