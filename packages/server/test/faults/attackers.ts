/**
 * Clients that mean harm, in a process of their own, so that they do not share an event loop with
 * those whose time is taken. The argument is a JSON `AttackOptions`; it prints one JSON `AttackReport`.
 */
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

export interface AttackOptions {
  readonly url: string;
  readonly slowConnections: number;
  readonly slowHeaderMs: number;
  /** Where it gives videos. */
  readonly sourcePort: number;
}

/** How many ended how: by status, or `cut off`. */
export type Outcomes = Readonly<Record<string, number>>;
export type AttackReport = Readonly<Record<string, Outcomes>>;

const { url, slowConnections, slowHeaderMs, sourcePort } = JSON.parse(
  process.argv[2] ?? "{}",
) as AttackOptions;
const { hostname, port } = new URL(url);

function count(outcomes: readonly string[]): Outcomes {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** A header line at a time, for ever. */
async function sendSlowHeaders(): Promise<string> {
  const socket = connect({ host: hostname, port: Number(port) });
  let answer = "";
  socket.on("error", () => undefined);
  socket.on("data", (data: Buffer) => {
    answer += data.toString("latin1");
  });
  socket.write("POST /jobs HTTP/1.1\r\nHost: localhost\r\n");
  const timer = setInterval(() => socket.write("X-Slow: 1\r\n"), slowHeaderMs);
  await once(socket, "close").catch(() => undefined);
  clearInterval(timer);
  return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "cut off";
}

async function send(
  path: string,
  body: AsyncIterable<Buffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const method = path === "/uploads" ? "PUT" : "POST";
  const outgoing = httpRequest(`${url}${path}`, {
    method,
    agent: false,
    headers: { "content-type": "application/json", ...headers },
  });
  const status = new Promise<string>((resolve) => {
    outgoing.on("response", (incoming) => {
      incoming.resume();
      resolve(String(incoming.statusCode));
    });
    outgoing.on("error", () => resolve("cut off"));
    outgoing.on("close", () => resolve("cut off"));
  });
  const source = Readable.from(body);
  source.on("error", () => undefined);
  source.pipe(outgoing);
  const result = await status;
  source.destroy();
  outgoing.destroy();
  return result;
}

async function* ofSize(bytes: number): AsyncGenerator<Buffer> {
  const part = Buffer.alloc(65_536, '{"a":');
  for (let sent = 0; sent < bytes; sent += part.length) yield part;
}

async function* slowly(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.from(" ");
    await delay(500);
  }
}

async function* deep(): AsyncGenerator<Buffer> {
  yield Buffer.from("[".repeat(60_000));
}

async function many(number: number, attack: () => Promise<string>): Promise<Outcomes> {
  return count(await Promise.all(Array.from({ length: number }, attack)));
}

/** Sources of videos: one that gives a byte a second, and one that never ends. */
const source = createServer((request, response) => {
  response.on("error", () => undefined);
  const isSlow = request.url === "/slow";
  response.writeHead(200, isSlow ? { "content-length": 1_000_000 } : {});
  const mp4 = Buffer.from("\0\0\0\u0010ftypisom\0\0\u0002\0", "latin1");
  response.write(mp4);
  if (isSlow) {
    const timer = setInterval(() => response.write("x"), 1000);
    response.on("close", () => clearInterval(timer));
    return;
  }
  const endless = Readable.from(ofSize(Number.POSITIVE_INFINITY));
  response.on("close", () => endless.destroy());
  endless.on("error", () => undefined);
  endless.pipe(response);
});
source.listen(sourcePort, "127.0.0.1");
await once(source, "listening");
process.stdout.write("ready\n");

await once(process.stdin, "data");
const [
  slowHeaders,
  hundredMegabytes,
  hundredMegabytesInChunks,
  deepJson,
  slowBodies,
  endlessUploads,
] = await Promise.all([
  many(slowConnections, sendSlowHeaders),
  many(20, () => send("/jobs", ofSize(100e6), { "content-length": String(100e6) })),
  many(20, () => send("/jobs", ofSize(100e6))),
  many(200, () => send("/jobs", deep())),
  many(100, () => send("/jobs", slowly())),
  many(4, () =>
    send("/uploads", ofSize(Number.POSITIVE_INFINITY), { "content-type": "video/mp4" }),
  ),
]);
const report: AttackReport = {
  slowHeaders,
  hundredMegabytes,
  hundredMegabytesInChunks,
  deepJson,
  slowBodies,
  endlessUploads,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
// The sources go on until whoever started this has seen their jobs fail.
await once(process.stdin, "end");
source.closeAllConnections();
source.close();
