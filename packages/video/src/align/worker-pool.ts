/** A fixed number of worker threads that each take one call at a time, in order of arrival. */
import { Worker } from "node:worker_threads";
import { LatentSyncError } from "@ls/core";
import { THREAD_LIMITS } from "../thread-limits.ts";

/** A message and the buffers that move with it. */
export interface WorkerMessage<Request> {
  readonly request: Request;
  readonly transfer: readonly ArrayBuffer[];
}

interface Job<Request, Reply> {
  /** Called only when a worker is free, so that queued calls hold no copies. */
  readonly prepare: () => WorkerMessage<Request>;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (reason: unknown) => void;
  readonly cleanUp: () => void;
}

interface Seat<Request, Reply> {
  readonly worker: Worker;
  job: Job<Request, Reply> | undefined;
}

const MOST_QUEUED_CALLS = 1024;

export class WorkerPool<Request, Reply> implements AsyncDisposable {
  readonly #name: string;
  readonly #entry: URL;
  readonly #workerData: unknown;
  readonly #size: number;
  readonly #seats = new Set<Seat<Request, Reply>>();
  readonly #queue: Job<Request, Reply>[] = [];
  #disposed = false;

  /** Threads start with the first calls. */
  constructor(options: {
    /** Whose workers these are, for error messages. */
    readonly name: string;
    readonly entry: URL;
    readonly workerData: unknown;
    /** Number of threads. */
    readonly size: number;
  }) {
    this.#name = options.name;
    this.#entry = options.entry;
    this.#workerData = options.workerData;
    this.#size = options.size;
  }

  /**
   * Runs one call. An abort rejects it at once and drops it from the queue; if a worker already
   * has it, its result is dropped.
   * @throws LatentSyncError `disposed`, or `runtime` if the worker ends under the call
   */
  async run(prepare: () => WorkerMessage<Request>, signal?: AbortSignal): Promise<Reply> {
    signal?.throwIfAborted();
    this.#checkOpen();
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const onAbort = (): void => {
      const index = this.#queue.indexOf(job);
      if (index >= 0) this.#queue.splice(index, 1);
      reject(signal?.reason);
    };
    const cleanUp = (): void => signal?.removeEventListener("abort", onAbort);
    const job: Job<Request, Reply> = { prepare, resolve, reject, cleanUp };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#queue.push(job);
    this.#dispatch();
    try {
      return await promise;
    } finally {
      cleanUp();
    }
  }

  #checkOpen(): void {
    if (this.#disposed) throw this.#disposedError();
    if (this.#queue.length < MOST_QUEUED_CALLS) return;
    throw new LatentSyncError(
      "invalid_argument",
      `${this.#name}: ${MOST_QUEUED_CALLS} calls are waiting already.`,
      { hint: "Await earlier calls before making more." },
    );
  }

  #disposedError(): LatentSyncError {
    return new LatentSyncError("disposed", `${this.#name}: used after it was disposed.`, {
      hint: "Create a new one, or dispose it only after its last call has ended.",
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const seat = this.#freeSeat();
      if (seat === undefined) return;
      this.#assign(seat, this.#queue.shift() as Job<Request, Reply>);
    }
  }

  #freeSeat(): Seat<Request, Reply> | undefined {
    for (const seat of this.#seats) if (seat.job === undefined) return seat;
    return this.#seats.size < this.#size ? this.#openSeat() : undefined;
  }

  #openSeat(): Seat<Request, Reply> {
    const worker = new Worker(this.#entry, {
      workerData: this.#workerData,
      resourceLimits: THREAD_LIMITS,
    });
    const seat: Seat<Request, Reply> = { worker, job: undefined };
    this.#seats.add(seat);
    worker.on("message", (reply: Reply) => {
      this.#release(seat)?.resolve(reply);
      this.#dispatch();
    });
    worker.on("messageerror", (error) => {
      this.#fail(seat, error);
    });
    worker.on("error", (error) => {
      this.#fail(seat, error);
    });
    worker.on("exit", (code) => {
      this.#fail(seat, new Error(`The worker ended with exit code ${code}.`));
    });
    // An idle pool that nobody disposed must not keep the process alive.
    worker.unref();
    return seat;
  }

  #assign(seat: Seat<Request, Reply>, job: Job<Request, Reply>): void {
    try {
      const { request, transfer } = job.prepare();
      seat.worker.postMessage(request, [...transfer]);
    } catch (error) {
      job.reject(error);
      return;
    }
    seat.job = job;
    seat.worker.ref();
  }

  #release(seat: Seat<Request, Reply>): Job<Request, Reply> | undefined {
    const job = seat.job;
    seat.job = undefined;
    // Disposal waits for the end of the thread, which holds the process until then.
    if (!this.#disposed) seat.worker.unref();
    return job;
  }

  /** Rejects the call that was in `seat`; the next call opens a new one. */
  #fail(seat: Seat<Request, Reply>, cause: unknown): void {
    if (!this.#seats.delete(seat)) return;
    const job = this.#release(seat);
    const reason = cause instanceof Error ? cause.message : String(cause);
    job?.reject(
      new LatentSyncError("runtime", `${this.#name}: a worker thread failed: ${reason}`, {
        cause,
        hint: "Try again; if it fails again, report it with the message above.",
      }),
    );
    void seat.worker.terminate();
    if (!this.#disposed) this.#dispatch();
  }

  /** Ends all threads; calls that are queued or under way are rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const error = this.#disposedError();
    for (const job of this.#queue.splice(0)) job.reject(error);
    const seats = [...this.#seats];
    this.#seats.clear();
    for (const seat of seats) seat.job?.reject(error);
    await Promise.all(seats.map((seat) => seat.worker.terminate()));
  }
}
