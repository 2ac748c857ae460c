/** A server that speaks the routes of the Hugging Face hub, with faults on demand. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ServedFile {
  readonly content: Buffer;
  /** Large files are redirected to a storage host and named by SHA-256. */
  readonly isLarge: boolean;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong; all off by default. */
export interface HubFaults {
  /** Breaks a download after so many bytes, as often as `times` says. */
  breakAfter?: { bytes: number; times: number };
  /** Answers so many downloads with a status. */
  failWith?: { status: number; times: number };
  ignoresRange?: boolean;
  /** Sends other bytes than the hash says. */
  corrupts?: boolean;
  /** Sends more bytes than the size says. */
  overlong?: boolean;
  /** Asks for this token. */
  token?: string;
  /** Sends nothing after the headers. */
  stalls?: boolean;
  /** Overrides the hash and size in the answers of the API. */
  brokenApi?: boolean;
}

export const COMMIT = "c0ffee00".repeat(5);

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function gitHash(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

export function etagOf(file: ServedFile): string {
  return file.isLarge ? sha256(file.content) : gitHash(file.content);
}

export class HubServer implements AsyncDisposable {
  readonly faults: HubFaults = {};
  readonly requests: SeenRequest[] = [];
  /** Files by `owner/repository/path`. */
  readonly files = new Map<string, ServedFile>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    await new Promise<void>((resolve) => {
      server.#server.listen(0, "127.0.0.1", resolve);
    });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(name: string, content: string | Buffer, isLarge: boolean): void {
    this.files.set(name, { content: Buffer.from(content), isLarge });
  }

  /** Requests for content that were answered by the storage host or with content. */
  get downloads(): readonly SeenRequest[] {
    return this.requests.filter(({ path }) => path.includes("/resolve/"));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const path = decodeURIComponent(url.pathname);
    this.requests.push({
      method: request.method ?? "",
      path,
      range: request.headers.range,
      authorization: request.headers.authorization,
    });
    const { token } = this.faults;
    const isStorage = path.startsWith("/storage/");
    if (token !== undefined && !isStorage && request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401, { "x-error-code": "GatedRepo" }).end("no");
      return;
    }
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/main$/.exec(path);
    const paths = /^\/api\/models\/([^/]+\/[^/]+)\/paths-info\/([^/]+)$/.exec(path);
    const content = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    if (info !== null) this.#sendInfo(info[1] ?? "", response);
    else if (paths !== null) await this.#sendPaths(paths[1] ?? "", request, response);
    else if (isStorage) this.#sendStored(path.slice("/storage/".length), request, response);
    else if (content !== null) this.#resolve(`${content[1]}/${content[3]}`, request, response);
    else response.writeHead(404).end();
  }

  #sendInfo(repository: string, response: ServerResponse): void {
    if (![...this.files.keys()].some((name) => name.startsWith(`${repository}/`))) {
      response.writeHead(404, { "x-error-code": "RepoNotFound" }).end();
      return;
    }
    const sha = this.faults.brokenApi === true ? "main" : COMMIT;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ _id: "1", id: repository, sha, lastModified: 0 }));
  }

  async #sendPaths(
    repository: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const asked = (JSON.parse(body) as { paths: string[] }).paths;
    const found = asked.flatMap((path) => {
      const file = this.files.get(`${repository}/${path}`);
      if (file === undefined) return [];
      const size = file.content.length;
      const lfs = { oid: etagOf(file), size, pointerSize: 130 };
      const plain = { type: "file", path, size, oid: gitHash(Buffer.from(path)) };
      return file.isLarge ? [{ ...plain, lfs }] : [{ ...plain, oid: etagOf(file) }];
    });
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(found));
  }

  #resolve(name: string, request: IncomingMessage, response: ServerResponse): void {
    const file = this.files.get(name);
    if (file === undefined) {
      response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
      return;
    }
    response.setHeader("x-repo-commit", COMMIT);
    response.setHeader("x-linked-etag", `"${etagOf(file)}"`);
    response.setHeader("x-linked-size", String(file.content.length));
    if (!file.isLarge) {
      this.#sendContent(file, request, response);
      return;
    }
    // The storage host is another origin, to which no token may go.
    const storage = this.url.replace("127.0.0.1", "localhost");
    response.writeHead(302, { location: `${storage}/storage/${name}` }).end();
  }

  #sendStored(name: string, request: IncomingMessage, response: ServerResponse): void {
    const file = this.files.get(name);
    if (file === undefined) response.writeHead(404).end();
    else this.#sendContent(file, request, response);
  }

  #sendContent(file: ServedFile, request: IncomingMessage, response: ServerResponse): void {
    const { faults } = this;
    if (faults.failWith !== undefined && faults.failWith.times > 0) {
      faults.failWith.times--;
      response.writeHead(faults.failWith.status).end();
      return;
    }
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const size = file.content.length;
    const isPartial = start > 0 && faults.ignoresRange !== true;
    if (isPartial && start >= size) {
      response.writeHead(416, { "content-range": `bytes */${size}` }).end();
      return;
    }
    let body = isPartial ? file.content.subarray(start) : file.content;
    if (faults.corrupts === true) body = Buffer.from(body.map((byte) => byte ^ 1));
    if (faults.overlong === true) body = Buffer.concat([body, Buffer.alloc(10)]);
    const range = { "content-range": `bytes ${start}-${size - 1}/${size}` };
    response.writeHead(isPartial ? 206 : 200, {
      ...(isPartial ? range : {}),
      "content-length": body.length,
    });
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
