/** Waking those that wait for a change within this process. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Wakes after so long in any case. */
  readonly timeoutMs?: number | undefined;
}

/** Longest delay that a timer takes. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export class JobSignals {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Number of waits under way. */
  get size(): number {
    let size = 0;
    for (const { size: part } of this.#waiting.values()) size += part;
    return size;
  }

  /**
   * Resolves when `topic` is next woken, when `signal` aborts, or when the time is over. It listens
   * from the call on.
   */
  wait(topic: string, { signal, timeoutMs }: WaitOptions = {}): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(topic) ?? new Set();
    this.#waiting.set(topic, waiting);
    const wake = (): void => {
      waiting.delete(wake);
      if (waiting.size === 0 && this.#waiting.get(topic) === waiting) this.#waiting.delete(topic);
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    waiting.add(wake);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(wake, Math.max(0, Math.min(timeoutMs, MAX_TIMEOUT_MS)));
    signal?.addEventListener("abort", wake, { once: true });
    return promise;
  }

  wake(topic: string): void {
    for (const wake of [...(this.#waiting.get(topic) ?? [])]) wake();
  }

  wakeAll(): void {
    for (const topic of [...this.#waiting.keys()]) this.wake(topic);
  }
}
