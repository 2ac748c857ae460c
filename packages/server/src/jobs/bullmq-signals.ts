/** Wakes those that wait for changes in BullMQ's queue, which other processes may have made. */
import type { QueueEvents } from "bullmq";
import { JobSignals, type WaitOptions } from "./job-signals.ts";

export const CLAIMS = "claims";

/**
 * BullMQ's own events can be lost: between two reads of a stream that has none yet, while its
 * connection is down, and with a process that dies before it tells of its change. PostgreSQL tells of
 * no additions in bulk. So everybody looks for changes once in a while.
 */
const POLL_MS = 1000;

export class BullmqSignals {
  readonly #signals = new JobSignals();
  readonly #listen: () => QueueEvents;
  #events: QueueEvents | undefined;

  /** `listen` is called when somebody waits first, as it takes a connection. */
  constructor(listen: () => QueueEvents) {
    this.#listen = listen;
  }

  wait(topic: string, { signal, timeoutMs = POLL_MS }: WaitOptions = {}): Promise<void> {
    this.#events ??= this.#start();
    return this.#signals.wait(topic, { signal, timeoutMs });
  }

  wake(topic: string): void {
    this.#signals.wake(topic);
  }

  #start(): QueueEvents {
    const events = this.#listen();
    for (const name of ["progress", "completed", "failed", "stalled"] as const) {
      events.on(name, ({ jobId }: { readonly jobId: string }) => {
        this.wake(topicOf(jobId));
      });
    }
    for (const name of ["added", "waiting", "stalled"] as const) {
      events.on(name, () => {
        this.wake(CLAIMS);
      });
    }
    return events;
  }

  wakeAll(): void {
    this.#signals.wakeAll();
  }

  async close(): Promise<void> {
    await this.#events?.close();
  }
}

export function topicOf(id: string): string {
  return `job ${id}`;
}
