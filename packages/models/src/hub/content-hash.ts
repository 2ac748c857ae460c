import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { computeSha256 } from "@ls/files";

/** Small files go by git's hash; whatever is larger is stored by its SHA-256. */
const MAXIMUM_GIT_BYTES = 256 * 1024 * 1024;

/** git's hash of a file's content (a blob object's SHA-1). */
async function computeGitHash(path: string): Promise<string> {
  const content = await readFile(path);
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

/**
 * Whether a file's content is what its hash says.
 * @param etag SHA-256 (64 digits) or git's hash (40 digits).
 */
export async function hasContent(
  path: string,
  etag: string,
  signal?: AbortSignal,
): Promise<boolean> {
  if (etag.length === 64) return (await computeSha256(path, signal)) === etag;
  const { size } = await stat(path);
  return size <= MAXIMUM_GIT_BYTES && (await computeGitHash(path)) === etag;
}
