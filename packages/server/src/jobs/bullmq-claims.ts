/** Claims of one process: one look at the queue serves all that wait for a job. */
import { once } from "node:events";
import { LatentSyncError } from "@ls/core";
import { type BullmqSignals, CLAIMS } from "./bullmq-signals.ts";
import type { JobLease } from "./job-queue.ts";

/** How long a look may take; connections that hang must not stop claims for good. */
const LOOK_MS = 10_000;

interface Claim {
  readonly resolve: (lease: JobLease | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

export class BullmqClaims {
  readonly #signals: BullmqSignals;
  readonly #tryClaim: () => Promise<JobLease | undefined>;
  /** In the order in which they came. */
  readonly #waiting = new Set<Claim>();
  #running: Promise<void> | undefined;

  /** `tryClaim` resolves to `undefined` if nothing is to be had. */
  constructor(signals: BullmqSignals, tryClaim: () => Promise<JobLease | undefined>) {
    this.#signals = signals;
    this.#tryClaim = tryClaim;
  }

  claim(signal: AbortSignal): Promise<JobLease | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    const { promise, resolve, reject } = Promise.withResolvers<JobLease | undefined>();
    const claim: Claim = { resolve, reject };
    this.#waiting.add(claim);
    const giveUp = (): void => {
      this.#waiting.delete(claim);
      resolve(undefined);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#running ??= this.#run();
    return promise.finally(() => {
      signal.removeEventListener("abort", giveUp);
    });
  }

  /** Resolves when no claim waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const looked = new AbortController();
      // From before the look on, so that no job falls in between.
      const change = this.#signals.wait(CLAIMS, { signal: looked.signal });
      try {
        const lease = await this.#look();
        if (lease) {
          await this.#give(lease);
          looked.abort();
        }
      } catch (error) {
        // While there is no connection, claims wait; the next look is after a while.
        if (LatentSyncError.is(error) && error.code === "disposed") {
          this.#rejectAll(error);
          looked.abort();
        }
      }
      await change;
    }
    this.#running = undefined;
  }

  /** In time; a lease that comes too late goes back. */
  async #look(): Promise<JobLease | undefined> {
    const lease = this.#tryClaim();
    const tooLate = new AbortController();
    const timer = setTimeout(() => {
      tooLate.abort();
    }, LOOK_MS);
    try {
      return await Promise.race([
        lease,
        once(tooLate.signal, "abort").then(() => {
          void lease.then((late) => late?.release()).catch(() => undefined);
          return undefined;
        }),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #give(lease: JobLease): Promise<void> {
    const [first] = this.#waiting;
    if (first) {
      this.#waiting.delete(first);
      first.resolve(lease);
    } else {
      // Nobody wants it any more.
      await lease.release();
    }
  }

  #rejectAll(reason: unknown): void {
    for (const claim of this.#waiting) claim.reject(reason);
    this.#waiting.clear();
  }
}
