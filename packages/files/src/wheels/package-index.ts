/** Python package indexes: the simple API, as JSON (PEP 691) and as HTML (PEP 503). */
import { LatentSyncError } from "@ls/core";
import { AttemptError, mayRecover, RequestClient } from "../requests.ts";
import { normalizeProject } from "./wheel-name.ts";

/** A file that an index offers. */
export interface IndexFile {
  readonly fileName: string;
  readonly url: string;
  /** In hexadecimal. */
  readonly sha256: string;
}

export interface PackageIndexOptions {
  /** Address of the simple API. Default: `PIP_INDEX_URL`, else PyPI's. */
  readonly url?: string | undefined;
  /** Attempts in a row that bring nothing before giving up. */
  readonly attempts: number;
  /** Pause before the second attempt; it doubles with each further one. */
  readonly retryDelayMs: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_URL = "https://pypi.org/simple";
const ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.2";
const REQUEST_TIMEOUT_MS = 60_000;
const MAXIMUM_PAGE_BYTES = 64 * 1024 * 1024;
const HINT = "Check the index's address: --index, or the variable PIP_INDEX_URL.";

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
};

function decodeEntities(text: string): string {
  return text.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] ?? "");
}

function networkError(message: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("network", message, { cause, hint: HINT });
}

function statusError(status: number, what: string): AttemptError {
  if (status === 404) {
    const message = `The package index has no ${what} (status 404).`;
    return new AttemptError(new LatentSyncError("not_found", message, { hint: HINT }), false);
  }
  const message = `The package index answered the request for ${what} with status ${status}.`;
  return new AttemptError(networkError(message), mayRecover(status));
}

/** The body as text, but no more of it than an index may send. */
async function readText(response: Response, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body: AsyncIterable<Uint8Array> | null = response.body;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MAXIMUM_PAGE_BYTES) {
      const message = `The package index sends more than ${MAXIMUM_PAGE_BYTES} bytes about ${what}.`;
      throw networkError(message);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

interface ListedFile {
  readonly fileName: string;
  readonly address: string;
  readonly sha256: string | undefined;
}

function parseHtml(text: string): readonly ListedFile[] {
  const files: ListedFile[] = [];
  for (const [, attributes = "", label = ""] of text.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)) {
    const href = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes);
    const address = decodeEntities(href?.[1] ?? href?.[2] ?? "");
    const sha256 = /#(?:.*&)?sha256=([0-9a-f]{64})(?:&|$)/i.exec(address)?.[1];
    files.push({ fileName: decodeEntities(label).trim(), address, sha256: sha256?.toLowerCase() });
  }
  return files;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function parseJson(text: string): readonly ListedFile[] {
  const page: unknown = JSON.parse(text);
  const files = isRecord(page) && Array.isArray(page["files"]) ? (page["files"] as unknown[]) : [];
  return files.flatMap((file) => {
    if (!isRecord(file)) return [];
    const { filename, url, hashes } = file;
    if (typeof filename !== "string" || typeof url !== "string") return [];
    const sha256 = isRecord(hashes) ? hashes["sha256"] : undefined;
    const isHash = typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
    return [{ fileName: filename, address: url, sha256: isHash ? sha256 : undefined }];
  });
}

/** The address as `fetch` takes it, and the name and password that it may carry. */
function splitCredentials(address: string): { readonly url: URL; readonly login?: string } {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The package index must be an http or https address, but is ${JSON.stringify(address)}.`,
      { hint: HINT },
    );
  }
  const { username, password } = url;
  url.username = "";
  url.password = "";
  if (username === "" && password === "") return { url };
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { url, login: `Basic ${Buffer.from(login).toString("base64")}` };
}

/** An index of Python packages. */
export class PackageIndex {
  readonly #options: PackageIndexOptions;
  readonly #url: URL;
  readonly #login: string | undefined;

  /** @throws LatentSyncError `invalid_argument` for a bad address. */
  constructor(options: PackageIndexOptions) {
    const fromPip = process.env["PIP_INDEX_URL"];
    const fallback = fromPip === undefined || fromPip === "" ? DEFAULT_URL : fromPip;
    const { url, login } = splitCredentials(options.url ?? fallback);
    this.#options = options;
    this.#url = url;
    this.#login = login;
  }

  /** Its host, for messages: no name and no password. */
  get name(): string {
    return this.#url.host;
  }

  /** A client for an address that the index gave; the index's password goes to its own host alone. */
  client(url: string): RequestClient {
    const { attempts, retryDelayMs, signal } = this.#options;
    const isOwn = new URL(url).origin === this.#url.origin;
    return new RequestClient({
      statusError,
      attempts,
      retryDelayMs,
      ...(isOwn && this.#login !== undefined ? { headers: { authorization: this.#login } } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /**
   * The files of a project that the index names with their SHA-256.
   * @throws LatentSyncError `not_found` or `network`; the signal's reason on abort.
   */
  async listFiles(project: string): Promise<readonly IndexFile[]> {
    const page = `${this.#url.href.replace(/\/+$/, "")}/${normalizeProject(project)}/`;
    const client = this.client(page);
    const what = `project ${project}`;
    const { text, isJson, url } = await client.retry(what, async () => {
      const response = await client.fetch(page, {
        headers: { accept: ACCEPT },
        signal: this.#requestSignal(),
      });
      if (!response.ok) throw statusError(response.status, what);
      const isAnsweredInJson = response.headers.get("content-type")?.includes("json") === true;
      const body = await readText(response, what);
      return { text: body, isJson: isAnsweredInJson, url: response.url };
    });
    return this.#parse(text, isJson, what).flatMap(({ fileName, address, sha256 }) => {
      const absolute = URL.parse(address, url);
      if (absolute === null || sha256 === undefined) return [];
      absolute.hash = "";
      return [{ fileName, url: absolute.href, sha256 }];
    });
  }

  /**
   * Size of a file in bytes.
   * @throws LatentSyncError `not_found` or `network`; the signal's reason on abort.
   */
  async sizeOf(file: IndexFile): Promise<number> {
    const client = this.client(file.url);
    return client.retry(file.fileName, async () => {
      const response = await client.fetch(file.url, {
        method: "HEAD",
        headers: { "accept-encoding": "identity" },
        signal: this.#requestSignal(),
      });
      if (!response.ok) throw statusError(response.status, file.fileName);
      const size = Number(response.headers.get("content-length") ?? Number.NaN);
      if (Number.isSafeInteger(size) && size > 0) return size;
      throw networkError(`The package index does not tell the size of ${file.fileName}.`);
    });
  }

  #parse(text: string, isJson: boolean, what: string): readonly ListedFile[] {
    if (!isJson) return parseHtml(text);
    try {
      return parseJson(text);
    } catch (cause) {
      const message = `The package index answered the request for ${what} with damaged JSON.`;
      throw networkError(message, cause);
    }
  }

  #requestSignal(): AbortSignal {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const { signal } = this.#options;
    return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  }
}
