/** Requests that are tried again, and their failures as the project's own errors. */
import { setTimeout as sleep } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";

const MAXIMUM_DELAY_MS = 30_000;

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

/** Whether a status that is not a success may be another one soon. */
export function mayRecover(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

export interface RequestClientOptions {
  /** The error of a status that is not a success; `what` was asked for. */
  readonly statusError: (status: number, what: string) => AttemptError;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Attempts in a row that bring nothing before giving up. */
  readonly attempts: number;
  /** Pause before the second attempt; it doubles with each further one. */
  readonly retryDelayMs: number;
  readonly signal?: AbortSignal;
}

/** The status of an error that carries one as `statusCode`. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

/** `fetch` with headers and retries. */
export class RequestClient {
  readonly #options: RequestClientOptions;
  /** `fetch` with the client's headers. */
  readonly fetch: typeof fetch;
  readonly statusError: RequestClientOptions["statusError"];

  constructor(options: RequestClientOptions) {
    this.#options = options;
    this.statusError = options.statusError;
    this.fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("user-agent", "latentsync-ts");
      for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value);
      return fetch(input, { ...init, headers });
    };
  }

  /**
   * Runs `attempt` until it succeeds, fails for good, or has failed `attempts` times in a row
   * without progress.
   * @param onRetry is told of each failure, and tells whether the attempt had made progress.
   * @throws LatentSyncError of the last failure; the signal's reason on abort.
   */
  async retry<T>(
    what: string,
    attempt: () => Promise<T>,
    onRetry?: (reason: string, mayRetry: boolean) => boolean,
  ): Promise<T> {
    const { attempts, retryDelayMs, signal } = this.#options;
    let failures = 0;
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await attempt();
      } catch (cause) {
        signal?.throwIfAborted();
        const failure = this.#toAttemptError(cause, what);
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

  #toAttemptError(error: unknown, what: string): AttemptError {
    if (error instanceof AttemptError) return error;
    if (LatentSyncError.is(error)) return new AttemptError(error, false);
    const status = statusOf(error);
    if (status !== undefined) return this.statusError(status, what);
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
}
