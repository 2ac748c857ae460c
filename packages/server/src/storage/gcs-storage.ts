/** Objects of Google Cloud Storage, by its JSON interface. */
import { createReadStream } from "node:fs";
import { LatentSyncError } from "@ls/core";
import type { GuardedConnector } from "../net/index.ts";
import { type BucketObject, parseBucketUrl } from "./bucket-url.ts";
import { Crc32c } from "./crc32c.ts";
import { unopenedFile } from "./file-body.ts";
import type { GoogleTokens } from "./google-tokens.ts";
import { parseContentLength, parseContentRange, parseGoogleHash } from "./object-headers.ts";
import type { Storage, StoredObject, UploadFile } from "./storage.ts";
import { mayPass, statusError } from "./store-error.ts";
import { toSystemError } from "./system-error.ts";

export interface GcsStorageOptions {
  readonly connector: GuardedConnector;
  readonly tokens: GoogleTokens;
  /** Default `https://storage.googleapis.com`. */
  readonly apiEndpoint?: string;
  /** If given, only these buckets; otherwise all that the tokens open. */
  readonly buckets?: readonly string[];
}

/** How often an interrupted upload goes on where it stopped. */
const MAX_RESUMPTIONS = 5;

/** `gs://bucket/key`. An object's generation serves as its etag; CRC-32C is checked both ways. */
export function createGcsStorage(options: GcsStorageOptions): Storage {
  const api = new GcsApi(options);
  const locate = (url: URL): BucketObject => parseBucketUrl(url, options.buckets);
  return {
    protocols: ["gs:"],
    check: (url) => void locate(url),
    async open(url, { offset = 0, etag, signal } = {}) {
      const address = api.objectUrl(locate(url));
      address.searchParams.set("alt", "media");
      if (etag !== undefined) address.searchParams.set("ifGenerationMatch", etag);
      // Naming gzip keeps the store from unpacking objects, whose size and hash it would not know.
      const headers = new Headers({ "accept-encoding": "gzip" });
      if (offset > 0) headers.set("range", `bytes=${offset}-`);
      const response = await api.fetch(address, { headers, signal });
      try {
        return describe(`Reading ${url.href}`, response, { offset, etag });
      } catch (error) {
        await response.body?.cancel();
        throw error;
      }
    },
    async put(url, file, { signal } = {}) {
      const what = `Writing ${url.href}`;
      const session = await api.beginUpload(what, locate(url), file, signal);
      await api.sendFile(what, session, file, signal);
    },
    async holds(url, file, { signal } = {}) {
      const response = await api.fetch(api.objectUrl(locate(url)), { signal });
      if (response.status !== 200) {
        await response.body?.cancel();
        // Whoever may only write is told 403 of everything.
        if ([403, 404].includes(response.status)) return false;
        throw statusError(`Looking for ${url.href}`, response.status);
      }
      const found = (await response.json()) as {
        readonly size?: string;
        readonly metadata?: Readonly<Record<string, string>>;
      };
      return found.size === String(file.sizeBytes) && found.metadata?.["sha256"] === file.sha256;
    },
  };
}

function describe(
  what: string,
  response: Response,
  asked: { readonly offset: number; readonly etag: string | undefined },
): StoredObject {
  const { status, headers, body } = response;
  if (status !== 200 && status !== 206) throw statusError(what, status);
  if ((headers.get("content-encoding") ?? "identity") !== "identity") {
    throw new LatentSyncError("unsupported", `${what} failed: the object is stored compressed.`, {
      hint: "Store it without Content-Encoding.",
    });
  }
  const generation = headers.get("x-goog-generation") ?? undefined;
  if (asked.etag !== undefined && generation !== asked.etag) throw statusError(what, 412);
  const isPart = status === 206;
  return {
    sizeBytes: isPart
      ? parseContentRange(what, headers, asked.offset)
      : parseContentLength(headers),
    etag: generation,
    offset: isPart ? asked.offset : 0,
    checksum: parseGoogleHash(headers),
    body: body ?? new Blob([]).stream(),
  };
}

class GcsApi {
  readonly #connector: GuardedConnector;
  readonly #tokens: GoogleTokens;
  readonly #endpoint: string;

  constructor({ connector, tokens, apiEndpoint }: GcsStorageOptions) {
    this.#connector = connector;
    this.#tokens = tokens;
    this.#endpoint = (apiEndpoint ?? "https://storage.googleapis.com").replace(/\/+$/, "");
  }

  objectUrl({ bucket, key }: BucketObject): URL {
    return new URL(
      `${this.#endpoint}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(key)}`,
    );
  }

  async fetch(url: URL, request: Parameters<GuardedConnector["fetch"]>[1]): Promise<Response> {
    const headers = new Headers(request?.headers);
    const token = await this.#tokens.accessToken();
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    return this.#connector.fetch(url, { ...request, headers });
  }

  /** Announces an upload. @returns The address that takes the bytes; it is its own credential. */
  async beginUpload(
    what: string,
    { bucket, key }: BucketObject,
    file: UploadFile,
    signal: AbortSignal | undefined,
  ): Promise<URL> {
    const url = new URL(`${this.#endpoint}/upload/storage/v1/b/${encodeURIComponent(bucket)}/o`);
    url.searchParams.set("uploadType", "resumable");
    url.searchParams.set("name", key);
    const response = await this.fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-upload-content-type": file.contentType,
        "x-upload-content-length": String(file.sizeBytes),
      },
      body: JSON.stringify({
        name: key,
        contentType: file.contentType,
        crc32c: await crc32cOf(file.path, signal),
        metadata: { sha256: file.sha256 },
      }),
      signal,
    });
    await response.body?.cancel();
    if (!response.ok) throw statusError(what, response.status);
    const location = response.headers.get("location") ?? "";
    if (URL.canParse(location)) return new URL(location);
    throw new LatentSyncError("network", `${what} failed: the store gave no upload address.`, {
      hint: "Try again later.",
    });
  }

  /** Sends the file in one request, and what is missing again after an interruption. */
  async sendFile(
    what: string,
    session: URL,
    file: UploadFile,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (let resumptions = 0, offset = 0; ; resumptions++) {
      try {
        const status = await this.#sendFrom(session, file, offset, signal);
        if (status < 300) return;
        if (status !== 308) throw statusError(what, status);
      } catch (error) {
        if (!mayPass(error) || resumptions >= MAX_RESUMPTIONS) throw error;
      }
      const received = await this.#receivedBytes(what, session, file, signal);
      if (received === undefined) return;
      if (resumptions >= MAX_RESUMPTIONS) throw statusError(what, 503);
      offset = received;
    }
  }

  async #sendFrom(
    session: URL,
    file: UploadFile,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { path, sizeBytes } = file;
    const range = sizeBytes === 0 ? "*" : `${offset}-${sizeBytes - 1}`;
    const response = await this.#connector.fetch(session, {
      method: "PUT",
      headers: {
        "content-length": String(sizeBytes - offset),
        "content-range": `bytes ${range}/${sizeBytes}`,
      },
      body: () => unopenedFile(path, offset),
      signal,
    });
    await response.body?.cancel();
    return response.status;
  }

  /** What the store has; `undefined` if that is everything. */
  async #receivedBytes(
    what: string,
    session: URL,
    file: UploadFile,
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    const response = await this.#connector.fetch(session, {
      method: "PUT",
      headers: { "content-length": "0", "content-range": `bytes */${file.sizeBytes}` },
      signal,
    });
    await response.body?.cancel();
    if (response.ok) return undefined;
    if (response.status !== 308) throw statusError(what, response.status);
    const last = /^bytes=0-(\d{1,15})$/.exec(response.headers.get("range") ?? "")?.[1];
    return last === undefined ? 0 : Number(last) + 1;
  }
}

async function crc32cOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  const checksum = new Crc32c();
  try {
    const parts: AsyncIterable<Uint8Array> = createReadStream(path, { highWaterMark: 1 << 18 });
    for await (const part of parts) {
      signal?.throwIfAborted();
      checksum.update(part);
    }
  } catch (error) {
    throw toSystemError(error, "Reading the result");
  }
  return checksum.digest("base64");
}
