interface Task {
  readonly owner: unknown;
  readonly start: () => Promise<void>;
  readonly reject: (reason: unknown) => void;
}

export interface TaskOptions {
  /** Whose task it is, for {@link TaskQueue.cancel}. */
  readonly owner?: unknown;
  /** Rejects the task with its reason as long as it has not started. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs asynchronous tasks one after the other, in order. */
export class TaskQueue {
  readonly #waiting = new Set<Task>();
  #running = false;

  add<T>(task: () => Promise<T>, { owner, signal }: TaskOptions = {}): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(entry);
        reject(signal?.reason as Error);
      };
      const start = async (): Promise<void> => {
        signal?.removeEventListener("abort", onAbort);
        await task().then(resolve, reject);
      };
      const entry: Task = {
        owner,
        start,
        reject: (reason) => {
          signal?.removeEventListener("abort", onAbort);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(entry);
      void this.#drain();
    });
  }

  /** Rejects tasks that have not started: those of `owner`, or all. */
  cancel(reason: unknown, owner?: unknown): void {
    for (const task of [...this.#waiting]) {
      if (owner !== undefined && task.owner !== owner) continue;
      this.#waiting.delete(task);
      task.reject(reason);
    }
  }

  async #drain(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (const task of this.#waiting) {
      this.#waiting.delete(task);
      await task.start();
    }
    this.#running = false;
  }
}
