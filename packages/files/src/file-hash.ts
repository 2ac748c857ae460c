import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "./atomic-file.ts";
import { toFileError } from "./file-error.ts";
import { cacheFolder } from "./folders.ts";

export interface HashFileOptions {
  /** The cache folder, where hashes are remembered; {@link cacheFolder} if not given. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
}

interface RememberedHash {
  readonly path: string;
  readonly size: string;
  readonly mtimeNs: string;
  readonly sha256: string;
}

/**
 * SHA-256 of a file as it is read now, in hexadecimal.
 * @throws LatentSyncError `not_found` or `io`; the signal's reason on abort.
 */
export async function computeSha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      signal?.throwIfAborted();
      hash.update(chunk as Buffer);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw toFileError(error, path);
  }
  return hash.digest("hex");
}

/** What was remembered, or undefined where that is absent, damaged or of another state. */
async function recall(
  notePath: string,
  expected: Omit<RememberedHash, "sha256">,
): Promise<string | undefined> {
  try {
    const note = JSON.parse(await readFile(notePath, "utf8")) as Partial<RememberedHash>;
    const isSame =
      note.path === expected.path &&
      note.size === expected.size &&
      note.mtimeNs === expected.mtimeNs;
    const isHash = typeof note.sha256 === "string" && /^[0-9a-f]{64}$/.test(note.sha256);
    return isSame && isHash ? note.sha256 : undefined;
  } catch {
    return undefined;
  }
}

/**
 * SHA-256 of a file in hexadecimal. It is remembered in the cache folder by path, size and time of
 * change, so that a large checkpoint is read once.
 * @throws LatentSyncError `not_found` or `io`; the signal's reason on abort.
 */
export async function hashFile(path: string, options: HashFileOptions = {}): Promise<string> {
  const { folder = cacheFolder(), signal } = options;
  const real = await realpath(path).catch((error: unknown) => {
    throw toFileError(error, path);
  });
  const before = await stat(real, { bigint: true });
  const state = { path: real, size: String(before.size), mtimeNs: String(before.mtimeNs) };
  const name = createHash("sha256").update(real).digest("hex").slice(0, 32);
  const notePath = join(folder, "hashes", `${name}.json`);
  const remembered = await recall(notePath, state);
  if (remembered !== undefined) return remembered;
  const sha256 = await computeSha256(real, signal);
  const after = await stat(real, { bigint: true });
  // A hash of a file that changed meanwhile, or a cache that cannot be written, is not remembered.
  if (after.mtimeNs === before.mtimeNs && after.size === before.size) {
    const note = JSON.stringify({ ...state, sha256 });
    await writeAtomically(notePath, (sink) => sink.write(Buffer.from(note))).catch(() => undefined);
  }
  return sha256;
}
