/** Requests to the hub, with its errors as ours. */
import { LatentSyncError } from "@ls/core";
import { AttemptError, mayRecover, RequestClient } from "@ls/files";
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

export interface HubClientOptions {
  readonly settings: HubSettings;
  /** Attempts in a row that bring nothing before giving up. */
  readonly attempts: number;
  /** Pause before the second attempt; it doubles with each further one. */
  readonly retryDelayMs: number;
  readonly signal?: AbortSignal;
}

/** The error of a status that is not a success. */
function statusError(status: number, what: string): AttemptError {
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
    mayRecover(status),
  );
}

/** The library takes long to load, so it is loaded when there is something to ask. */
async function loadHubLibrary(): Promise<typeof import("@huggingface/hub")> {
  return import("@huggingface/hub");
}

export class HubClient extends RequestClient {
  readonly #options: HubClientOptions;

  constructor(options: HubClientOptions) {
    const { attempts, retryDelayMs, signal } = options;
    const { token } = options.settings;
    super({
      statusError,
      attempts,
      retryDelayMs,
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      ...(signal === undefined ? {} : { signal }),
    });
    this.#options = options;
  }

  #apiFetch(): typeof fetch {
    const { signal } = this.#options;
    return (input, init) => {
      const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      return this.fetch(input, { ...init, signal: both });
    };
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
