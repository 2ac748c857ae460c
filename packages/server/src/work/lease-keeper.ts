/** Holds a lease while its job is worked on, and tells when the work has to end. */
import { setTimeout as delay } from "node:timers/promises";
import type { JobLease } from "../jobs/job-queue.ts";
import { AttemptStop } from "./attempt-stop.ts";

/** How soon a queue that could not be reached is asked again. */
const RETRY_MS = 250;

export interface LeaseKeeperOptions {
  readonly lease: JobLease;
  /** How long the queue's leases hold. */
  readonly leaseMs: number;
  /** Longest time between two looks at the lease, and at whether the job was called off. */
  readonly watchMs: number;
  readonly onStop: (stop: AttemptStop) => void;
  /** The queue could not be asked; told once per outage. */
  readonly onTrouble: (cause: unknown) => void;
}

export class LeaseKeeper implements Disposable {
  readonly #options: LeaseKeeperOptions;
  readonly #ended = new AbortController();
  /** When the last successful renewal was asked for, on the monotonic clock. */
  #heldAt = performance.now();
  #troubled = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    void this.#watch();
  }

  /** Whether nobody else can hold the job, by this process's own clock. */
  get certain(): boolean {
    return performance.now() - this.#heldAt < this.#options.leaseMs;
  }

  /**
   * Runs `work` while the lease is certain: its signal aborts as soon as it is not, even if the
   * queue cannot be asked or the process was stopped for a while. Then the lease is confirmed, and
   * `work` runs again. @throws AttemptStop `lost`, what `work` throws, or the signal's reason.
   */
  async whileCertain(
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      await this.#confirm(signal);
      const doubt = new AbortController();
      const timer = setInterval(() => {
        if (!this.certain) doubt.abort(new AttemptStop("lost"));
      }, this.#options.watchMs);
      try {
        return await work(AbortSignal.any([signal, doubt.signal]));
      } catch (error) {
        if (signal.aborted || !doubt.signal.aborted) throw error;
      } finally {
        clearInterval(timer);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const state = await this.#renew();
      signal.throwIfAborted();
      if (state === "lost" || state === "cancelled") throw new AttemptStop(state);
      if (state === "held") return;
      await delay(RETRY_MS, undefined, { signal });
    }
  }

  /** Renews the lease in good time, and looks more often whether the job was called off. */
  async #watch(): Promise<void> {
    const { leaseMs, watchMs, onStop } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const due = performance.now() - this.#heldAt >= leaseMs / 3;
      const state = due ? await this.#renew() : await this.#look();
      if (signal.aborted) return;
      if (state === "lost") return onStop(new AttemptStop("lost"));
      if (state === "cancelled") return onStop(new AttemptStop("cancelled"));
      await delay(Math.min(watchMs, leaseMs / 3), undefined, { signal }).catch(() => {});
    }
  }

  async #look(): Promise<"cancelled" | "unknown"> {
    // An outage is the renewal's to tell.
    const requested = await this.#options.lease.cancelRequested().catch(() => false);
    return requested ? "cancelled" : "unknown";
  }

  async #renew(): Promise<"held" | "lost" | "cancelled" | "unknown"> {
    const askedAt = performance.now();
    try {
      const { held, cancelRequested } = await this.#options.lease.renew();
      this.#troubled = false;
      if (!held) return "lost";
      this.#heldAt = Math.max(this.#heldAt, askedAt);
      return cancelRequested ? "cancelled" : "held";
    } catch (error) {
      if (!this.#troubled) this.#options.onTrouble(error);
      this.#troubled = true;
      return "unknown";
    }
  }
}
