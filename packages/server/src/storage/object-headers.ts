/** What the headers of an answer say of the object. */
import { LatentSyncError } from "@ls/core";
import type { StoredObject } from "./storage.ts";

export function parseContentLength(headers: Headers): number | undefined {
  const text = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/**
 * Size of the whole object in the answer to a range from `offset` on.
 * @throws LatentSyncError `network` if it is another range.
 */
export function parseContentRange(
  what: string,
  headers: Headers,
  offset: number,
): number | undefined {
  const text = headers.get("content-range") ?? "";
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(text);
  if (match && Number(match[1]) === offset) return match[2] === "*" ? undefined : Number(match[2]);
  throw new LatentSyncError(
    "network",
    `${what} failed: from byte ${offset} was asked for, and the answer is ${JSON.stringify(text.slice(0, 80))}.`,
    { hint: "Try again later." },
  );
}

/** Google's hash of the whole object, also where only a part is sent. */
export function parseGoogleHash(headers: Headers): StoredObject["checksum"] {
  const stated = headers.get("x-goog-hash") ?? "";
  const md5 = /(?:^|[,\s])md5=([A-Za-z0-9+/]{22}==)/.exec(stated)?.[1];
  if (md5 !== undefined) return { algorithm: "md5", base64: md5 };
  const crc32c = /(?:^|[,\s])crc32c=([A-Za-z0-9+/]{6}==)/.exec(stated)?.[1];
  return crc32c === undefined ? undefined : { algorithm: "crc32c", base64: crc32c };
}

/** The checksum that a store states of the whole object in a header that it is known to use so. */
export function parseChecksum(headers: Headers, isPart: boolean): StoredObject["checksum"] {
  const google = parseGoogleHash(headers);
  // Of a part the others would speak of the part.
  if (google || isPart) return google;
  const sha256 = headers.get("x-amz-checksum-sha256") ?? "";
  if (/^[A-Za-z0-9+/]{43}=$/.test(sha256)) return { algorithm: "sha256", base64: sha256 };
  const md5 = headers.get("content-md5") ?? "";
  return /^[A-Za-z0-9+/]{22}==$/.test(md5) ? { algorithm: "md5", base64: md5 } : undefined;
}
