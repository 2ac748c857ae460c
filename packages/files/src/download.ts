import { type FileHandle, mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { LatentSyncError } from "@ls/core";
import { systemCode, toFileError } from "./file-error.ts";
import { acquireLock } from "./file-lock.ts";
import { AttemptError, type RequestClient } from "./requests.ts";

/** What happens to one file while it is downloaded. */
export type DownloadEvent =
  /** `bytesDone` of it were there already. */
  | { readonly type: "start"; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly type: "progress"; readonly bytesDone: number; readonly bytesTotal: number }
  /** An attempt failed; the next goes on at `bytesDone`. */
  | { readonly type: "retry"; readonly reason: string; readonly bytesDone: number }
  | { readonly type: "verify"; readonly bytesTotal: number };

/** A file on a server. */
export interface RemoteContent {
  /** What it is, for messages: `weights.bin of owner/repository`. */
  readonly name: string;
  readonly url: string;
  readonly sizeBytes: number;
  /** The hash that it must have, for messages. */
  readonly hash: string;
  /** Whether a file has the content that the hash says. */
  isIntact(path: string, signal: AbortSignal | undefined): Promise<boolean>;
}

export interface DownloadOptions {
  readonly client: RequestClient;
  readonly content: RemoteContent;
  /** Where the content belongs; `<path>.incomplete` holds it until it is whole. */
  readonly path: string;
  readonly lockPath: string;
  readonly onEvent: (event: DownloadEvent) => void;
  /** A connection that brings nothing for so long is given up. */
  readonly stallTimeoutMs: number;
  /** What to do where the disk is full. */
  readonly diskFullHint: string;
  readonly signal?: AbortSignal;
}

const PROGRESS_INTERVAL_MS = 100;

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
}

/** The first byte that an answer brings: `requested`, or 0 from a server that ignores ranges. */
function firstByte(response: Response, requested: number, what: string): number {
  if (response.status === 200) return 0;
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
  #done = 0;
  #lastEventMs = 0;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.#partialPath = `${options.path}.incomplete`;
  }

  async run(): Promise<void> {
    const { content, onEvent } = this.#options;
    await mkdir(dirname(this.#partialPath), { recursive: true });
    this.#done = (await sizeOf(this.#partialPath)) ?? 0;
    if (this.#done > content.sizeBytes) {
      await rm(this.#partialPath, { force: true });
      this.#done = 0;
    }
    const isResumed = this.#done > 0;
    onEvent({ type: "start", bytesDone: this.#done, bytesTotal: content.sizeBytes });
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
      `${content.name} was received, but its hash is not ${content.hash}; the download was removed.`,
      {
        hint: "Run the command again; if it happens again, the server or a proxy alters the file.",
      },
    );
  }

  async #fetchAll(): Promise<void> {
    const { client, content, onEvent } = this.#options;
    await this.#requireSpace();
    let before = this.#done;
    await client.retry(
      content.name,
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
    const { client, content, signal, stallTimeoutMs } = this.#options;
    // A file of no bytes, or one that is whole already, has no range to ask for.
    if (this.#done === content.sizeBytes && (await sizeOf(this.#partialPath)) !== undefined) return;
    const stall = new AbortController();
    const watch = setTimeout(() => {
      stall.abort(new Error(`nothing was received for ${stallTimeoutMs / 1000} s`));
    }, stallTimeoutMs);
    try {
      const response = await client.fetch(content.url, {
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
    if (this.#done < content.sizeBytes)
      throw new Error(`the connection ended at byte ${this.#done}`);
  }

  async #restart(): Promise<void> {
    await rm(this.#partialPath, { force: true });
    this.#done = 0;
  }

  async #receive(response: Response, watch: NodeJS.Timeout): Promise<void> {
    const { client, content } = this.#options;
    if (!response.ok) throw client.statusError(response.status, content.name);
    const start = firstByte(response, this.#done, content.name);
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
    const { content, onEvent } = this.#options;
    if (this.#done + chunk.length > content.sizeBytes) {
      await this.#restart();
      throw new AttemptError(
        new LatentSyncError(
          "network",
          `${content.name} is longer than its ${content.sizeBytes} bytes.`,
          {
            hint: "Try again later, or check the proxy.",
          },
        ),
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
    if (now - this.#lastEventMs < PROGRESS_INTERVAL_MS && this.#done < content.sizeBytes) return;
    this.#lastEventMs = now;
    onEvent({ type: "progress", bytesDone: this.#done, bytesTotal: content.sizeBytes });
  }

  #writeError(error: unknown): Error {
    const code = systemCode(error);
    if (code !== "ENOSPC" && code !== "EDQUOT") return toFileError(error, this.#partialPath);
    return this.#diskFull(error);
  }

  #diskFull(cause?: unknown): Error {
    const { content, diskFullHint } = this.#options;
    return new LatentSyncError(
      "disk_full",
      `The disk is full: ${content.name} needs ${content.sizeBytes} bytes, of which ${this.#done} are there. The partial download is kept at ${this.#partialPath}.`,
      { cause, hint: diskFullHint },
    );
  }

  /** Refuses before anything is fetched if the disk cannot hold what is still to come. */
  async #requireSpace(): Promise<void> {
    const { bavail, bsize } = await statfs(dirname(this.#partialPath));
    if (bavail * bsize < this.#options.content.sizeBytes - this.#done) throw this.#diskFull();
  }

  async #isIntact(): Promise<boolean> {
    const { content, onEvent, signal } = this.#options;
    onEvent({ type: "verify", bytesTotal: content.sizeBytes });
    return content.isIntact(this.#partialPath, signal);
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
  const { content, path, lockPath, onEvent, signal } = options;
  await using lock = await acquireLock(lockPath, signal);
  void lock;
  if ((await sizeOf(path)) !== undefined) {
    onEvent({ type: "start", bytesDone: content.sizeBytes, bytesTotal: content.sizeBytes });
    onEvent({ type: "verify", bytesTotal: content.sizeBytes });
    if ((await sizeOf(path)) === content.sizeBytes && (await content.isIntact(path, signal)))
      return;
    await rm(path, { force: true });
  }
  await new Download(options).run();
}
