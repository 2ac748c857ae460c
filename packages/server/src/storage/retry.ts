import { setTimeout as sleep } from "node:timers/promises";
import { mayPass } from "./store-error.ts";

const LONGEST_DELAY_MS = 30_000;

export interface RetryOptions {
  /** How often it is tried in all, as long as nothing gets on. Default 5. */
  readonly attempts?: number;
  /** Wait before the second attempt; doubles with each further one, up to 30 s. Default 500. */
  readonly retryDelayMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `attempt` until it succeeds, fails for good, or the attempts are used up.
 * @param attempt Its result; what it throws is judged by `mayRetry`, by default whether the error
 * may pass.
 */
export async function retry<T>(
  options: RetryOptions & {
    readonly mayRetry?: (error: unknown) => boolean;
    /** Whether the failed attempt got on, so that the count starts anew. */
    readonly gotOn?: () => boolean;
  },
  attempt: () => Promise<T>,
): Promise<T> {
  const { attempts = 5, retryDelayMs = 500, mayRetry = mayPass, gotOn, signal } = options;
  for (let failures = 0; ;) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      failures = gotOn?.() === true ? 1 : failures + 1;
      if (failures >= attempts || !mayRetry(error)) throw error;
      const delayMs = Math.min(LONGEST_DELAY_MS, retryDelayMs * 2 ** (failures - 1));
      await sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => {
        signal?.throwIfAborted();
      });
    }
  }
}
