/** Objects at http(s) addresses, pre-signed or public. */
import { LatentSyncError } from "@ls/core";
import { describeUrl, type GuardedConnector } from "../net/index.ts";
import { unopenedFile } from "./file-body.ts";
import { parseChecksum, parseContentLength, parseContentRange } from "./object-headers.ts";
import type { Storage, StoredObject } from "./storage.ts";
import { statusError } from "./store-error.ts";

/** Reads with GET, resumes with `Range` and `If-Range`, writes with PUT. */
export function createHttpStorage(connector: GuardedConnector): Storage {
  return {
    protocols: ["http:", "https:"],
    check: (url) => connector.checkUrl(url),
    async open(url, { offset = 0, etag, signal } = {}) {
      const headers = new Headers({ accept: "*/*", "accept-encoding": "identity" });
      if (offset > 0) headers.set("range", `bytes=${offset}-`);
      // A weak tag cannot vouch for bytes, so it takes part in no condition.
      if (offset > 0 && etag !== undefined && isStrong(etag)) headers.set("if-range", etag);
      const response = await connector.fetch(url, { headers, signal });
      try {
        return readAnswer(url, response, { offset, etag });
      } catch (error) {
        await response.body?.cancel();
        throw error;
      }
    },
    async put(url, file, { signal } = {}) {
      const response = await connector.fetch(url, {
        method: "PUT",
        headers: {
          "content-type": file.contentType,
          "content-length": String(file.sizeBytes),
        },
        body: () => unopenedFile(file.path),
        signal,
      });
      await response.body?.cancel();
      if (!response.ok) throw statusError(`Writing ${describeUrl(url)}`, response.status);
    },
  };
}

function isStrong(etag: string): boolean {
  return !etag.startsWith("W/");
}

function readAnswer(
  url: URL,
  response: Response,
  asked: { readonly offset: number; readonly etag: string | undefined },
): StoredObject {
  const { status, headers, body } = response;
  const what = `Reading ${describeUrl(url)}`;
  if (status !== 200 && status !== 206) throw statusError(what, status);
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw new LatentSyncError(
      "unsupported",
      `${what} failed: the body is encoded (${encoding.slice(0, 40)}), though that was not asked for.`,
      { hint: "Store the file without Content-Encoding." },
    );
  }
  const etag = headers.get("etag") ?? undefined;
  if (asked.etag !== undefined && etag !== undefined && etag !== asked.etag) {
    throw statusError(what, 412);
  }
  const isPart = status === 206;
  return {
    sizeBytes: isPart
      ? parseContentRange(what, headers, asked.offset)
      : parseContentLength(headers),
    etag,
    offset: isPart ? asked.offset : 0,
    checksum: parseChecksum(headers, isPart),
    body: body ?? new Blob([]).stream(),
  };
}
