import { Worker } from "node:worker_threads";
import { type GraphSource, LatentSyncError } from "@ls/core";
import { guardExit } from "./exit-guard.ts";
import {
  type HostedSession,
  type HostOperations,
  type HostReply,
  type HostRequest,
  type OperationName,
  type SessionWorkerData,
  type Tensors,
  WORKER_STATE,
} from "./messages.ts";
import { unpackError } from "./native-errors.ts";
import type { SessionHost } from "./session-host.ts";

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Sessions in a worker thread of their own. The process may end while nothing is pending. */
export class WorkerHost<Options> implements SessionHost<Options> {
  readonly #worker: Worker;
  readonly #state: Int32Array;
  readonly #guard: Disposable;
  readonly #exited: Promise<void>;
  #pending: Pending | undefined;
  /** Set when the worker is gone. */
  #failure: LatentSyncError | undefined;

  /**
   * @param url the worker's entry, which calls `serveSessions`.
   * @param settings what it makes its host of; can be cloned.
   */
  constructor(url: URL, settings?: unknown) {
    const state = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.#state = new Int32Array(state);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    const workerData: SessionWorkerData = { state, settings };
    this.#worker = new Worker(url, {
      workerData,
      // Flags of the process such as --input-type would stop the worker from starting.
      execArgv: [],
      name: "latentsync-sessions",
      // Its objects are a few for each call: V8's own limit lets 48 MB of them lie.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
    });
    // At once: should anything below throw, nobody holds the thread, and it would hold the process.
    this.#worker.unref();
    this.#guard = guardExit(this.#state);
    this.#worker.on("message", (reply: HostReply) => this.#settle(reply));
    this.#worker.on("error", (cause: unknown) => this.#fail("failed", cause));
    this.#worker.on("messageerror", (cause) => {
      this.#fail("sent an unreadable answer", cause);
      void this.#worker.terminate();
    });
    this.#worker.on("exit", (code) => {
      this.#fail(`ended with exit code ${code}`);
      this.#guard[Symbol.dispose]();
      resolve();
    });
  }

  open(): Promise<readonly string[]> {
    return this.#request({ operation: "open" }, []);
  }

  create(source: GraphSource, options: Options): Promise<HostedSession> {
    if ("path" in source) return this.#request({ operation: "create", source, options }, []);
    const bytes = source.bytes.slice();
    return this.#request({ operation: "create", source: { bytes }, options }, [bytes.buffer]);
  }

  run(session: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors> {
    const buffers = new Set(Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer));
    return this.#request({ operation: "run", session, feeds, outputs }, [...buffers]);
  }

  release(session: number): Promise<void> {
    return this.#request({ operation: "release", session }, []);
  }

  async close(): Promise<void> {
    if (this.#failure === undefined)
      await this.#request({ operation: "close" }, []).catch(() => {});
    // It holds no session any more, so stopping it is safe. Until it ends it holds the process.
    await this.#worker.terminate();
    await this.#exited;
  }

  #request<Name extends OperationName>(
    request: Extract<HostRequest<Options>, { readonly operation: Name }>,
    transfer: ArrayBuffer[],
  ): Promise<HostOperations<Options>[Name]["result"]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#pending = { resolve: resolve as Pending["resolve"], reject };
      Atomics.store(this.#state, 0, WORKER_STATE.requested);
      this.#worker.ref();
      this.#worker.postMessage(request, transfer);
    });
  }

  #settle(reply: HostReply): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#worker.unref();
    if ("error" in reply) pending?.reject(unpackError(reply.error));
    else pending?.resolve(reply.result);
  }

  #fail(what: string, cause?: unknown): void {
    this.#failure ??= new LatentSyncError("runtime", `The inference worker ${what}.`, {
      ...(cause === undefined ? {} : { cause }),
      hint: "Create the runtime again; if it fails again, there may be too little memory.",
    });
    this.#pending?.reject(this.#failure);
    this.#pending = undefined;
  }
}
