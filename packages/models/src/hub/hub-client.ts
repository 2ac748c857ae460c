/** Requests to the hub, with its errors as ours and with retries. */
import { setTimeout as sleep } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";
import type { HubSettings } from "./hub-settings.ts";

/** A file of a repository at a commit. */
export interface RemoteFile {
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
  /** Size in bytes. */
  readonly size: number;
  /** SHA-256 of a large file (64 digits), git's hash of a small one (40 digits). */
  readonly etag: string;
}

const REQUEST_TIMEOUT_MS = 30_000;
const MAXIMUM_DELAY_MS = 30_000;

export interface HubClientOptions {
  readonly settings: HubSettings;
  /** Attempts in a row that bring nothing before giving up. */
  readonly attempts: number;
  /** Pause before the second attempt; it doubles with each further one. */
  readonly retryDelayMs: number;
  readonly signal?: AbortSignal;
}

/** Why an attempt failed, and whether another may help. */
export class AttemptError extends Error {
  readonly mayRetry: boolean;
  readonly error: LatentSyncError;

  constructor(error: LatentSyncError, mayRetry: boolean) {
    super(error.message, { cause: error });
    this.error = error;
    this.mayRetry = mayRetry;
  }
}

/** The error of a status that is not a success. */
export function statusError(status: number, what: string): AttemptError {
  if (status === 404) {
    return new AttemptError(
      new LatentSyncError("not_found", `The hub has no ${what} (status 404).`, {
        hint: "Check the model's name, and HF_ENDPOINT if it is set.",
      }),
      false,
    );
  }
  if (status === 401 || status === 403) {
    return new AttemptError(
      new LatentSyncError("network", `The hub refuses access to ${what} (status ${status}).`, {
        hint: "Check the name; for a private or gated repository, accept its terms and set HF_TOKEN.",
      }),
      false,
    );
  }
  return new AttemptError(
    new LatentSyncError("network", `The hub answered ${what} with status ${status}.`, {
      hint: "Try again later.",
    }),
    status === 408 || status === 429 || status >= 500,
  );
}

/** The status that the hub library's HubApiError carries. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

/** The library takes long to load, so it is loaded when there is something to ask. */
async function loadHubLibrary(): Promise<typeof import("@huggingface/hub")> {
  return import("@huggingface/hub");
}

function toAttemptError(error: unknown, what: string): AttemptError {
  if (error instanceof AttemptError) return error;
  if (LatentSyncError.is(error)) return new AttemptError(error, false);
  const status = statusOf(error);
  if (status !== undefined) return statusError(status, what);
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : message;
  return new AttemptError(
    new LatentSyncError("network", `The request for ${what} failed: ${reason}.`, {
      cause: error,
      hint: "Check the connection and run the command again; a download goes on where it stopped.",
    }),
    true,
  );
}

export class HubClient {
  readonly #options: HubClientOptions;
  /** `fetch` with the token, for the hub itself. */
  readonly fetch: typeof fetch;

  constructor(options: HubClientOptions) {
    this.#options = options;
    const { token } = options.settings;
    this.fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("user-agent", "latentsync-ts");
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      return fetch(input, { ...init, headers });
    };
  }

  #apiFetch(): typeof fetch {
    const { signal } = this.#options;
    return (input, init) => {
      const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      return this.fetch(input, { ...init, signal: both });
    };
  }

  /**
   * Runs `attempt` until it succeeds, fails for good, or has failed `attempts` times in a row
   * without progress.
   * @param onRetry is told of each failure, and tells whether the attempt had made progress.
   */
  async retry<T>(
    what: string,
    attempt: () => Promise<T>,
    onRetry?: (reason: string, progressed: boolean) => boolean,
  ): Promise<T> {
    const { attempts, retryDelayMs, signal } = this.#options;
    let failures = 0;
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await attempt();
      } catch (cause) {
        signal?.throwIfAborted();
        const failure = toAttemptError(cause, what);
        const progressed = onRetry?.(failure.error.message, failure.mayRetry) ?? false;
        failures = progressed ? 1 : failures + 1;
        if (!failure.mayRetry || failures >= attempts) throw failure.error;
        const delayMs = Math.min(retryDelayMs * 2 ** (failures - 1), MAXIMUM_DELAY_MS);
        await sleep(delayMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
          signal?.throwIfAborted();
        });
      }
    }
  }

  /** The commit that `main` is at. */
  async readCommit(repository: string): Promise<string> {
    const { endpoint } = this.#options.settings;
    const { modelInfo } = await loadHubLibrary();
    const info = await this.retry(repository, () =>
      modelInfo({
        name: repository,
        revision: "main",
        additionalFields: ["sha"],
        hubUrl: endpoint,
        fetch: this.#apiFetch(),
      }),
    );
    const sha: unknown = info.sha;
    if (typeof sha === "string" && /^[0-9a-f]{40}$/.test(sha)) return sha;
    throw new LatentSyncError(
      "network",
      `The hub gave ${JSON.stringify(sha)} as the commit of ${repository}; 40 hexadecimal digits were expected.`,
      { hint: "Check HF_ENDPOINT if it is set." },
    );
  }

  /** Those of `paths` that the repository has at `commit`. */
  async describeFiles(
    repository: string,
    commit: string,
    paths: readonly string[],
  ): Promise<readonly RemoteFile[]> {
    const { endpoint } = this.#options.settings;
    const { pathsInfo } = await loadHubLibrary();
    const infos = await this.retry(repository, () =>
      pathsInfo({
        repo: { type: "model", name: repository },
        revision: commit,
        paths: [...paths],
        hubUrl: endpoint,
        fetch: this.#apiFetch(),
      }),
    );
    const files: RemoteFile[] = [];
    for (const { path, type, lfs, oid, size: plainSize } of infos) {
      if (type !== "file" || !paths.includes(path)) continue;
      const etag: unknown = lfs?.oid ?? oid;
      const size: unknown = lfs?.size ?? plainSize;
      if (
        typeof etag !== "string" ||
        !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) ||
        !Number.isSafeInteger(size)
      ) {
        throw new LatentSyncError(
          "network",
          `The hub gave no usable size and hash of ${path} in ${repository}.`,
          { hint: "Check HF_ENDPOINT if it is set." },
        );
      }
      files.push({ repository, commit, path, size: Number(size), etag });
    }
    return files;
  }

  /** Address of a file's content. */
  contentUrl(file: RemoteFile): string {
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    return `${this.#options.settings.endpoint}/${file.repository}/resolve/${file.commit}/${path}`;
  }
}
