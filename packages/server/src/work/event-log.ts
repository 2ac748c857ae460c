/** The events of an attempt on their way to the queue: in batches, and of progress only the newest. */
import type { JobLease } from "../jobs/job-queue.ts";
import type { JobEventBody } from "../jobs/job.ts";

/** Most events that wait while the queue is away; then the oldest are dropped. */
const MAX_WAITING = 500;

type LogEvent = Extract<JobEventBody, { readonly type: "log" }>;
type ProgressEvent = Extract<JobEventBody, { readonly type: "progress" }>;

export class EventLog implements Disposable {
  readonly #lease: JobLease;
  readonly #timer: NodeJS.Timeout;
  #waiting: JobEventBody[] = [];
  #progress: ProgressEvent | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(lease: JobLease, intervalMs: number) {
    this.#lease = lease;
    this.#timer = setInterval(() => void this.flush(), intervalMs);
  }

  log(level: LogEvent["level"], message: string): void {
    this.#waiting.push({ type: "log", level, message });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  progress(event: Omit<ProgressEvent, "type">): void {
    this.#progress = { type: "progress", ...event };
  }

  /** Hands on what waits. Never fails: what the queue does not take now waits for the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#append());
    return this.#flushing;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #append(): Promise<void> {
    const events = [...this.#waiting, ...(this.#progress === undefined ? [] : [this.#progress])];
    if (events.length === 0) return;
    this.#waiting = [];
    this.#progress = undefined;
    try {
      // That the lease is lost is the keeper's to find.
      await this.#lease.append(events);
    } catch {
      const logs = events.filter((event) => event.type !== "progress");
      this.#waiting = [...logs, ...this.#waiting].slice(-MAX_WAITING);
    }
  }
}
