/** A server that plays a package index and its storage, with faults on demand. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sha256 } from "./wheel-fixtures.ts";

export interface IndexFaults {
  /** Breaks a download after so many bytes, as often as `times` says. */
  breakAfter?: { bytes: number; times: number };
  /** Sends other bytes than the hash says. */
  corrupts?: boolean;
  /** Gives no hashes. */
  hidesHashes?: boolean;
  /** Asks for this `user:password`, but not for files on another host. */
  login?: string;
  /** Keeps files on another host. */
  hasStorageHost?: boolean;
  /** Sends nothing after the headers. */
  stalls?: boolean;
  /** Answers so many requests with status 503. */
  failures?: number;
}

export class IndexServer implements AsyncDisposable {
  readonly faults: IndexFaults = {};
  /** `METHOD path range` of every request. */
  readonly requests: string[] = [];
  /** `HOST path` of every request that carried a name and a password. */
  readonly logins: string[] = [];
  /** Files by name, of the one project that is served. */
  readonly files = new Map<string, Buffer>();
  /** Whether it answers in JSON, as PyPI does, or in HTML, as plain indexes do. */
  format: "json" | "html" = "json";
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#handle(request, response));
  }

  static async start(): Promise<IndexServer> {
    const server = new IndexServer();
    await new Promise<void>((resolve) => {
      server.#server.listen(0, "127.0.0.1", resolve);
    });
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.origin}/simple`;
  }

  get downloads(): readonly string[] {
    return this.requests.filter((line) => line.startsWith("GET /files/"));
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { faults } = this;
    const path = new URL(request.url ?? "/", this.origin).pathname;
    const { range = "" } = request.headers;
    const { authorization } = request.headers;
    this.requests.push(`${request.method} ${path} ${range}`.trimEnd());
    if (authorization !== undefined) this.logins.push(`${request.headers.host} ${path}`);
    const { login } = faults;
    const expected = login === undefined ? undefined : `Basic ${btoa(login)}`;
    const isFree = faults.hasStorageHost === true && path.startsWith("/files/");
    if (expected !== undefined && authorization !== expected && !isFree) {
      response.writeHead(401).end();
    } else if ((faults.failures ?? 0) > 0) {
      faults.failures = (faults.failures ?? 0) - 1;
      response.writeHead(503).end();
    } else if (path === "/simple/native-parts/") {
      this.#sendPage(response);
    } else {
      this.#sendFile(path.replace("/files/", ""), request, response);
    }
  }

  #sendPage(response: ServerResponse): void {
    const hashes = this.faults.hidesHashes !== true;
    const storage = `${this.origin.replace("127.0.0.1", "localhost")}/`;
    const root = this.faults.hasStorageHost === true ? storage : "../../";
    const listed = [...this.files].map(([filename, content]) => ({
      filename,
      url: `${root}files/${filename}`,
      hashes: hashes ? { sha256: sha256(content) } : {},
    }));
    if (this.format === "json") {
      response.setHeader("content-type", "application/vnd.pypi.simple.v1+json");
      response.end(JSON.stringify({ name: "native-parts", files: listed }));
      return;
    }
    const anchors = listed.map(({ filename, url, hashes: { sha256: hash } }) => {
      const fragment = hash === undefined ? "" : `#sha256=${hash}`;
      return `<a href="${url}${fragment}" data-requires-python="&gt;=3.9">${filename}</a><br/>`;
    });
    response.setHeader("content-type", "text/html");
    response.end(`<!DOCTYPE html><html><body>${anchors.join("\n")}</body></html>`);
  }

  #sendFile(name: string, request: IncomingMessage, response: ServerResponse): void {
    const { faults } = this;
    const content = this.files.get(name);
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    let body = content.subarray(start);
    if (faults.corrupts === true) body = Buffer.from(body.map((byte) => byte ^ 1));
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": body.length,
      ...(start > 0
        ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` }
        : {}),
    });
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    response.flushHeaders();
    if (faults.stalls === true) return;
    const cut = faults.breakAfter;
    if (cut !== undefined && cut.times > 0 && cut.bytes < body.length) {
      cut.times--;
      response.write(body.subarray(0, cut.bytes), () => {
        // The bytes are given time to leave before the connection is torn down.
        setTimeout(() => response.destroy(), 30);
      });
      return;
    }
    response.end(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}
