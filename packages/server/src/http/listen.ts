/** Serving an app on a port, with limits against slow and many connections, and a drain at the end. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import type { ListenBindings } from "./context.ts";
import { ProblemError, problemResponse } from "./problem.ts";

export interface ListenOptions {
  readonly app: { fetch(request: Request, env: object): Response | Promise<Response> };
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<ListenLimits>;
}

export interface ListenLimits {
  /** For all headers of a request to arrive. Default 10,000. Bodies have the app's own limits. */
  readonly headersTimeoutMs: number;
  /** How long an idle connection is kept. Default 10,000. */
  readonly keepAliveMs: number;
  /** Connections at a time. Default 10,000. */
  readonly maxConnections: number;
  /** Connections without a request so far; beyond, the longest silent is closed. Default 2000. */
  readonly maxSilentConnections: number;
  /** How long requests in flight may go on once the server closes. Default 5000. */
  readonly drainMs: number;
}

export interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly host: string;
  /** `http://host:port`. */
  readonly url: string;
  /** Stops accepting, ends event streams, waits for other requests, and cuts off what is left. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

const defaultLimits: ListenLimits = {
  headersTimeoutMs: 10_000,
  keepAliveMs: 10_000,
  maxConnections: 10_000,
  maxSilentConnections: 2000,
  drainMs: 5000,
};

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
const IDLE_CHECK_MS = 50;

/** Serves an app until it is closed. Rejects if the port cannot be had. */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { app, host, signal } = options;
  signal?.throwIfAborted();
  const limits = { ...defaultLimits, ...options.limits };
  const draining = new AbortController();
  const server = createLimitedServer(limits);
  server.on("request", requestListener(app, draining.signal));
  closeSilentConnections(server, limits.maxSilentConnections);
  server.on("clientError", refuseConnection);
  server.listen(options.port, host);
  await once(server, "listening");

  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = (how: { readonly drainMs?: number } = {}): Promise<void> => {
    signal?.removeEventListener("abort", onAbort);
    closed ??= drain(server, draining, how.drainMs ?? limits.drainMs);
    return closed;
  };
  const onAbort = () => {
    void close();
  };
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted === true) onAbort();
  return {
    port,
    host,
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function createLimitedServer(limits: ListenLimits): Server {
  const server = createServer({
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs / 2),
    headersTimeout: limits.headersTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Uploads may be long; the app limits how long each body takes.
    requestTimeout: 0,
  });
  server.maxConnections = limits.maxConnections;
  server.maxHeadersCount = MAX_HEADERS;
  return server;
}

function requestListener(
  app: ListenOptions["app"],
  draining: AbortSignal,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const answer = getRequestListener(
    (request, env) => {
      const { incoming } = env as HttpBindings;
      const { remoteAddress } = incoming.socket;
      return app.fetch(request, { ...env, draining, remoteAddress } satisfies ListenBindings);
    },
    { overrideGlobalObjects: false, errorHandler: answerToNoRequest },
  );
  return (incoming, outgoing) => {
    void answer(incoming, outgoing);
  };
}

/** What HTTP's parser lets through but is no request, such as one with a broken Host. */
function answerToNoRequest(error: unknown): Response {
  if (!(error instanceof RequestError)) return problemResponse(error);
  const message = "The request target or the Host header is malformed.";
  return problemResponse(
    new ProblemError({ code: "invalid_argument", status: 400, message, cause: error }),
  );
}

/** Keeps room for those who speak: too many silent connections cost the oldest one its place. */
function closeSilentConnections(server: Server, maxSilent: number): void {
  const silent = new Set<Duplex>();
  server.on("connection", (socket: Socket) => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
    if (silent.size <= maxSilent) return;
    const [oldest] = silent;
    oldest?.destroy();
  });
  server.on("request", (incoming: IncomingMessage) => {
    silent.delete(incoming.socket);
  });
}

const statusOfClientError: Readonly<Record<string, readonly [number, string, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "The headers came too slowly."],
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large", "The headers are too large."],
};

/** What is not even a request gets an answer too. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, title, detail] = statusOfClientError[error.code ?? ""] ?? [
    400,
    "Bad Request",
    "This is not HTTP.",
  ];
  const code = status === 408 ? "timeout" : "invalid_argument";
  const body = JSON.stringify({ type: "about:blank", title, status, detail, code });
  socket.end(
    [
      `HTTP/1.1 ${status} ${title}`,
      "Content-Type: application/problem+json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
    () => {
      // The other side may never close its half.
      socket.destroy();
    },
  );
}

async function drain(server: Server, draining: AbortController, drainMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  draining.abort();
  // Connections that have answered would otherwise be kept for the next request.
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, IDLE_CHECK_MS);
  const cutOff = setTimeout(() => {
    server.closeAllConnections();
  }, drainMs);
  try {
    await closed;
  } finally {
    clearTimeout(cutOff);
    clearInterval(idle);
  }
}
