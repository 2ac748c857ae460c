/** A store for inputs and results, over HTTP, that counts what is PUT. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface Put {
  readonly name: string;
  readonly sha256: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** All of the body came; otherwise it broke off. */
  readonly whole: boolean;
}

export class Bucket implements AsyncDisposable {
  readonly puts: Put[] = [];
  /** Of PUTs whose body is coming in. */
  readonly underWay = new Set<string>();
  /** Wait before the answer to a GET. */
  readDelayMs = 0;
  /** How fast bodies of PUTs are taken. */
  takeBytesPerSecond = Number.POSITIVE_INFINITY;
  readonly #objects = new Map<string, Buffer>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async open(): Promise<Bucket> {
    const bucket = new Bucket();
    bucket.#server.listen(0, "127.0.0.1");
    await once(bucket.#server, "listening");
    return bucket;
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(name: string): string {
    return `http://${this.host}/${name}`;
  }

  set(name: string, bytes: Buffer): void {
    this.#objects.set(name, bytes);
  }

  /** Whole ones of that name. */
  putsOf(name: string): readonly Put[] {
    return this.puts.filter((put) => put.name === name && put.whole);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = (request.url ?? "/").slice(1);
    if (request.method === "PUT") return await this.#take(name, request, response);
    await delay(this.readDelayMs);
    const bytes = this.#objects.get(name);
    response.writeHead(bytes === undefined ? 404 : 200, {
      "content-length": bytes?.length ?? 0,
    });
    response.end(bytes);
  }

  async #take(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = Date.now();
    const hash = createHash("sha256");
    let whole = false;
    this.underWay.add(name);
    try {
      for await (const part of request as AsyncIterable<Buffer>) {
        hash.update(part);
        if (Number.isFinite(this.takeBytesPerSecond)) {
          await delay((part.length / this.takeBytesPerSecond) * 1000);
        }
      }
      whole = request.complete;
    } finally {
      this.underWay.delete(name);
      const sha256 = hash.digest("hex");
      this.puts.push({ name, sha256, startedAt, endedAt: Date.now(), whole });
    }
    response.writeHead(200).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
