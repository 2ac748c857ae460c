import { type FileHandle, mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { systemCode, toFileError } from "../checkpoint/file-error.ts";
import { hasContent } from "./content-hash.ts";
import { acquireLock } from "./download-lock.ts";
import { AttemptError, type HubClient, type RemoteFile, statusError } from "./hub-client.ts";

/** What happens to one file while it is pulled. */
export type DownloadEvent =
  /** `bytesDone` of it were there already. */
  | { readonly type: "start"; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly type: "progress"; readonly bytesDone: number; readonly bytesTotal: number }
  /** An attempt failed; the next goes on at `bytesDone`. */
  | { readonly type: "retry"; readonly reason: string; readonly bytesDone: number }
  | { readonly type: "verify"; readonly bytesTotal: number };

export interface DownloadOptions {
  readonly client: HubClient;
  readonly file: RemoteFile;
  /** Where the content belongs; `<path>.incomplete` holds it until it is whole. */
  readonly path: string;
  readonly lockPath: string;
  readonly onEvent: (event: DownloadEvent) => void;
  /** A connection that brings nothing for so long is given up. */
  readonly stallTimeoutMs: number;
  readonly signal?: AbortSignal;
}

const PROGRESS_INTERVAL_MS = 100;

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
}

function diskFull(file: RemoteFile, partialPath: string, done: number, cause?: unknown): Error {
  return new LatentSyncError(
    "disk_full",
    `The disk is full: ${file.path} of ${file.repository} needs ${file.size} bytes, of which ${done} are there. The partial download is kept at ${partialPath}.`,
    {
      cause,
      hint: "Free some space or set HF_HOME to a folder on another disk; the download then goes on where it stopped.",
    },
  );
}

/** Refuses before anything is fetched if the disk cannot hold what is still to come. */
async function requireSpace(file: RemoteFile, partialPath: string, done: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(partialPath));
  if (bavail * bsize < file.size - done) throw diskFull(file, partialPath, done);
}

/** The first byte that an answer brings: `requested`, or 0 from a server that ignores ranges. */
function firstByte(response: Response, requested: number, what: string): number {
  if (response.status === 200) return 0;
  if (response.status !== 206) throw statusError(response.status, what);
  const range = response.headers.get("content-range") ?? "";
  const start = /^bytes (\d+)-/.exec(range)?.[1];
  if (Number(start) === requested) return requested;
  throw new AttemptError(
    new LatentSyncError(
      "network",
      `The server was asked for ${what} from byte ${requested} and answered with ${JSON.stringify(range)}.`,
      { hint: "Try again later, or check the proxy." },
    ),
    true,
  );
}

class Download {
  readonly #options: DownloadOptions;
  readonly #partialPath: string;
  readonly #what: string;
  #done = 0;
  #lastEventMs = 0;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.#partialPath = `${options.path}.incomplete`;
    this.#what = `${options.file.path} of ${options.file.repository}`;
  }

  async run(): Promise<void> {
    const { file, onEvent } = this.#options;
    await mkdir(dirname(this.#partialPath), { recursive: true });
    this.#done = (await sizeOf(this.#partialPath)) ?? 0;
    if (this.#done > file.size) {
      await rm(this.#partialPath, { force: true });
      this.#done = 0;
    }
    const isResumed = this.#done > 0;
    onEvent({ type: "start", bytesDone: this.#done, bytesTotal: file.size });
    await this.#fetchAll();
    if (await this.#isIntact()) return rename(this.#partialPath, this.#options.path);
    await this.#restart();
    if (isResumed) {
      // What was left of an earlier attempt may have been the damaged part.
      await this.#fetchAll();
      if (await this.#isIntact()) return rename(this.#partialPath, this.#options.path);
      await this.#restart();
    }
    throw new LatentSyncError(
      "network",
      `${this.#what} was received, but its hash is not ${file.etag}; the download was removed.`,
      {
        hint: "Run the command again; if it happens again, the server or a proxy alters the file.",
      },
    );
  }

  async #fetchAll(): Promise<void> {
    const { client, file, onEvent } = this.#options;
    await requireSpace(file, this.#partialPath, this.#done);
    let before = this.#done;
    await client.retry(
      this.#what,
      () => this.#attempt(),
      (reason, mayRetry) => {
        const progressed = this.#done > before;
        before = this.#done;
        if (mayRetry) onEvent({ type: "retry", reason, bytesDone: this.#done });
        return progressed;
      },
    );
  }

  async #attempt(): Promise<void> {
    const { client, file, signal, stallTimeoutMs } = this.#options;
    // A file of no bytes, or one that is whole already, has no range to ask for.
    if (this.#done === file.size && (await sizeOf(this.#partialPath)) !== undefined) return;
    const stall = new AbortController();
    const watch = setTimeout(() => {
      stall.abort(new Error(`nothing was received for ${stallTimeoutMs / 1000} s`));
    }, stallTimeoutMs);
    try {
      const response = await client.fetch(client.contentUrl(file), {
        headers: {
          "accept-encoding": "identity",
          ...(this.#done > 0 ? { range: `bytes=${this.#done}-` } : {}),
        },
        signal: signal === undefined ? stall.signal : AbortSignal.any([signal, stall.signal]),
      });
      if (response.status === 416) await this.#restart();
      await this.#receive(response, watch);
    } finally {
      clearTimeout(watch);
      stall.abort();
    }
    if (this.#done < file.size) throw new Error(`the connection ended at byte ${this.#done}`);
  }

  async #restart(): Promise<void> {
    await rm(this.#partialPath, { force: true });
    this.#done = 0;
  }

  async #receive(response: Response, watch: NodeJS.Timeout): Promise<void> {
    const start = firstByte(response, this.#done, this.#what);
    if (start === 0 && this.#done > 0) await this.#restart();
    await using handle = await open(this.#partialPath, this.#done > 0 ? "r+" : "w").catch(
      (error: unknown) => {
        throw this.#writeError(error);
      },
    );
    const body: AsyncIterable<Uint8Array> | null = response.body;
    for await (const chunk of body ?? []) {
      watch.refresh();
      await this.#append(handle, chunk);
    }
    await handle.sync().catch((error: unknown) => {
      // A device that cannot be flushed has nothing to lose.
      if (systemCode(error) !== "EINVAL") throw this.#writeError(error);
    });
  }

  async #append(handle: FileHandle, chunk: Uint8Array): Promise<void> {
    const { file, onEvent } = this.#options;
    if (this.#done + chunk.length > file.size) {
      await this.#restart();
      throw new AttemptError(
        new LatentSyncError("network", `${this.#what} is longer than its ${file.size} bytes.`, {
          hint: "Try again later, or check the proxy.",
        }),
        true,
      );
    }
    let written = 0;
    while (written < chunk.length) {
      const result = await handle
        .write(chunk, written, chunk.length - written, this.#done + written)
        .catch((error: unknown) => {
          throw this.#writeError(error);
        });
      written += result.bytesWritten;
    }
    this.#done += chunk.length;
    const now = performance.now();
    if (now - this.#lastEventMs < PROGRESS_INTERVAL_MS && this.#done < file.size) return;
    this.#lastEventMs = now;
    onEvent({ type: "progress", bytesDone: this.#done, bytesTotal: file.size });
  }

  #writeError(error: unknown): Error {
    const code = systemCode(error);
    if (code !== "ENOSPC" && code !== "EDQUOT") return toFileError(error, this.#partialPath);
    return diskFull(this.#options.file, this.#partialPath, this.#done, error);
  }

  async #isIntact(): Promise<boolean> {
    const { file, onEvent, signal } = this.#options;
    onEvent({ type: "verify", bytesTotal: file.size });
    return hasContent(this.#partialPath, file.etag, signal);
  }
}

/**
 * Brings a file's content to `path`, resuming what an earlier attempt has left, and verifies size
 * and hash before it gets its name. Content that is there already is verified too, and fetched
 * again if it is damaged. Processes take turns.
 * @throws LatentSyncError `network`, `not_found`, `disk_full` (the partial file is kept) or `io`;
 *   the signal's reason on abort (the partial file is kept).
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { file, path, lockPath, onEvent, signal } = options;
  await using lock = await acquireLock(lockPath, signal);
  void lock;
  if ((await sizeOf(path)) !== undefined) {
    onEvent({ type: "start", bytesDone: file.size, bytesTotal: file.size });
    onEvent({ type: "verify", bytesTotal: file.size });
    if ((await sizeOf(path)) === file.size && (await hasContent(path, file.etag, signal))) return;
    await rm(path, { force: true });
  }
  await new Download(options).run();
}

/** Where the lock on a file's content lies: in the cache's own folder for locks. */
export function lockPathOf(cacheFolder: string, repositoryFolder: string, etag: string): string {
  return join(cacheFolder, ".locks", repositoryFolder, `${etag}.latentsync.lock`);
}
