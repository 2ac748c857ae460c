/** One request and its answer over a guarded dispatcher, redirects included. */
import { Readable } from "node:stream";
import { LatentSyncError } from "@ls/core";
import { type Dispatcher, request as send } from "undici";
import type { AddressPolicy } from "./address-policy.ts";
import type { ConnectorLimits } from "./connector-limits.ts";
import { describeUrl, toNetworkError } from "./network-error.ts";
import { TransferWatch } from "./transfer-watch.ts";
import { tooSlow } from "./watched-body.ts";

export interface GuardedRequest {
  /** Default GET. */
  readonly method?: string;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  /** A function is called anew for each redirect and gives the body as a stream. */
  readonly body?: string | Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default 5. */
  readonly maxRedirects?: number;
  /** For the whole exchange with its body; default: the connector's. */
  readonly totalTimeoutMs?: number;
}

export interface ExchangeContext {
  readonly dispatcher: Dispatcher;
  readonly policy: AddressPolicy;
  readonly limits: ConnectorLimits;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const SAME_METHOD_REDIRECTS: ReadonlySet<number> = new Set([307, 308]);
/** Answers without a body by definition. */
const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304]);
const CREDENTIAL_HEADERS = ["authorization", "cookie", "proxy-authorization"] as const;

export async function exchange(
  input: string | URL,
  request: GuardedRequest,
  context: ExchangeContext,
): Promise<Response> {
  const { policy } = context;
  const method = (request.method ?? "GET").toUpperCase();
  const headers = new Headers(request.headers);
  let url = parseUrl(input);
  const maxRedirects = request.maxRedirects ?? MAX_REDIRECTS;
  const scope = new ExchangeScope(request, context.limits, url);
  try {
    for (let redirects = 0; ; redirects++) {
      policy.checkUrl(url);
      const answer = await scope.send(url, { method, headers, body: request.body }, context);
      const next = redirectTarget(url, method, answer);
      if (!next || maxRedirects === 0) return scope.toResponse(url, method, answer);
      discard(answer);
      if (redirects >= maxRedirects) throw tooManyRedirects(url, maxRedirects);
      if (next.origin !== url.origin) for (const name of CREDENTIAL_HEADERS) headers.delete(name);
      url = next;
    }
  } catch (error) {
    throw scope.fail(error, url);
  }
}

/** What lives as long as one exchange: its signal, its time limit and its transfer watch. */
class ExchangeScope {
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignal | undefined;
  readonly #watch: TransferWatch;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#controller.abort(this.#callerSignal?.reason);

  constructor(request: GuardedRequest, limits: ConnectorLimits, url: URL) {
    this.#callerSignal = request.signal;
    request.signal?.throwIfAborted();
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
    const totalMs = request.totalTimeoutMs ?? limits.totalTimeoutMs;
    this.#timer = setTimeout(() => {
      this.#controller.abort(timeout(`The exchange with ${url.host} took over ${totalMs} ms.`));
    }, totalMs);
    this.#timer.unref();
    this.#watch = new TransferWatch(limits, () => {
      this.#controller.abort(tooSlow(url.host, limits));
    });
  }

  send(
    url: URL,
    message: Pick<GuardedRequest, "body"> & { readonly method: string; readonly headers: Headers },
    context: ExchangeContext,
  ): Promise<Dispatcher.ResponseData> {
    const { body } = message;
    return send(url, {
      dispatcher: context.dispatcher,
      method: message.method,
      headers: Object.fromEntries(message.headers),
      body: typeof body === "function" ? this.#watched(body()) : (body ?? null),
      signal: this.#controller.signal,
    });
  }

  /** A body to send, measured while the peer takes it. */
  #watched(body: AsyncIterable<Uint8Array>): Readable {
    const watch = this.#watch;
    async function* parts(): AsyncGenerator<Uint8Array> {
      try {
        for await (const part of body) {
          watch.wait();
          yield part;
          watch.progress(part.length);
        }
      } finally {
        watch.pause();
      }
    }
    return Readable.from(parts(), { objectMode: false, highWaterMark: 0 });
  }

  toResponse(url: URL, method: string, answer: Dispatcher.ResponseData): Response {
    const { statusCode: status } = answer;
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const line of Array.isArray(value) ? value : [value]) {
        if (line !== undefined) headers.append(name, line);
      }
    }
    if (method === "HEAD" || NULL_BODY.has(status)) {
      discard(answer);
      this.end();
      return new Response(null, { status, headers });
    }
    return new Response(this.#receive(url, answer.body), { status, headers });
  }

  #receive(url: URL, body: Readable): ReadableStream<Uint8Array> {
    const parts = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
    // A failure reaches whoever reads; without a reader nobody waits for it.
    body.on("error", () => {});
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            this.#watch.wait();
            const { done, value } = await parts.next();
            this.#watch.progress(value?.length ?? 0);
            if (!done) return controller.enqueue(value);
            this.end();
            controller.close();
          } catch (error) {
            throw this.fail(error, url);
          }
        },
        cancel: () => {
          this.end();
          body.destroy();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Lets go of the connection, and gives the reason of an abort, or the failure in words. */
  fail(error: unknown, url: URL): unknown {
    this.end();
    const { signal } = this.#controller;
    if (signal.aborted) return signal.reason;
    this.#controller.abort();
    return toNetworkError(error, url);
  }

  end(): void {
    this.#watch.stop();
    clearTimeout(this.#timer);
    this.#callerSignal?.removeEventListener("abort", this.#onAbort);
  }
}

/** Closes the connection instead of reading a body that nobody wants. */
function discard({ body }: Dispatcher.ResponseData): void {
  body.on("error", () => {});
  body.destroy();
}

function parseUrl(input: string | URL): URL {
  const text = String(input);
  if (URL.canParse(text)) return new URL(text);
  throw new LatentSyncError("invalid_argument", "The address is not a URL.", {
    hint: "Write it with its protocol, such as https://example.com/video.mp4.",
  });
}

/** Where an answer redirects to, if it does. */
function redirectTarget(
  url: URL,
  method: string,
  answer: Dispatcher.ResponseData,
): URL | undefined {
  const { statusCode, headers } = answer;
  const location = headers["location"];
  if (!REDIRECTS.has(statusCode) || typeof location !== "string") return undefined;
  if (method !== "GET" && method !== "HEAD" && !SAME_METHOD_REDIRECTS.has(statusCode)) {
    discard(answer);
    throw new LatentSyncError(
      "unsupported",
      `${describeUrl(url)} answers a ${method} with a redirect (${statusCode}) that would turn it into a GET.`,
      { hint: "Give the final address." },
    );
  }
  if (!URL.canParse(location, url.href))
    throw badRedirect(answer, url, "to an address that is no URL");
  const next = new URL(location, url);
  if (url.protocol === "https:" && next.protocol === "http:") {
    throw badRedirect(answer, url, "from https to http");
  }
  return next;
}

function badRedirect(answer: Dispatcher.ResponseData, url: URL, how: string): LatentSyncError {
  discard(answer);
  return new LatentSyncError("forbidden", `${describeUrl(url)} redirects ${how}.`, {
    hint: "Give the final address.",
  });
}

function tooManyRedirects(url: URL, limit: number): LatentSyncError {
  return new LatentSyncError("network", `${url.host} redirects more than ${limit} times.`, {
    hint: "Give the final address.",
  });
}

function timeout(message: string): LatentSyncError {
  return new LatentSyncError("timeout", message, { hint: "Try again later." });
}
