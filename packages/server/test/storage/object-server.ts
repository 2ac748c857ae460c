/** A small store of objects over HTTP, as static servers and pre-signed addresses behave. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { listen, type LocalServer } from "../net/local-server.ts";

export interface ObjectServer extends LocalServer {
  readonly objects: Map<string, Buffer>;
  readonly requests: { readonly method: string; readonly headers: IncomingMessage["headers"] }[];
}

/** @param intercept May answer a request in another way; returns whether it did. */
export async function startObjectServer(
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<ObjectServer> {
  const objects = new Map<string, Buffer>();
  const requests: ObjectServer["requests"] = [];
  const server = await listen((request, response) => {
    const { method = "", headers, url: key = "" } = request;
    requests.push({ method, headers });
    if (intercept(request, response)) return;
    if (method === "PUT") void store(objects, key, request, response);
    else give(objects.get(key), headers, response);
  });
  return { ...server, objects, requests };
}

async function store(
  objects: Map<string, Buffer>,
  key: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  objects.set(key, Buffer.concat(parts));
  response.writeHead(200).end();
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash("sha1").update(bytes).digest("hex")}"`;
}

function give(
  bytes: Buffer | undefined,
  headers: IncomingMessage["headers"],
  response: ServerResponse,
): void {
  if (!bytes) return void response.writeHead(404).end("nothing here");
  const etag = etagOf(bytes);
  const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  const isSame = headers["if-range"] === undefined || headers["if-range"] === etag;
  if (start === 0 || !isSame) {
    return void response.writeHead(200, { etag, "content-length": bytes.length }).end(bytes);
  }
  if (start >= bytes.length) return void response.writeHead(416).end();
  response
    .writeHead(206, {
      etag,
      "content-length": bytes.length - start,
      "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
    })
    .end(bytes.subarray(start));
}
