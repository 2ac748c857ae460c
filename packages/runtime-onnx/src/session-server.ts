/** The worker's side of a `WorkerHost`. */
import { parentPort, workerData } from "node:worker_threads";
import {
  type HostReply,
  type HostRequest,
  type OperationName,
  type SessionWorkerData,
  WORKER_STATE,
} from "./messages.ts";
import { packError } from "./native-errors.ts";
import type { SessionHost } from "./session-host.ts";

const { idle, requested, working } = WORKER_STATE;

async function perform<Options>(
  host: SessionHost<Options>,
  request: HostRequest<Options>,
): Promise<unknown> {
  switch (request.operation) {
    case "open":
      return await host.open();
    case "create":
      return await host.create(request.source, request.options);
    case "run":
      return await host.run(request.session, request.feeds, request.outputs);
    case "release":
      return await host.release(request.session);
    case "close":
      return await host.close();
  }
}

async function answer<Options>(
  host: SessionHost<Options>,
  request: HostRequest<Options>,
): Promise<HostReply> {
  try {
    return { result: await perform(host, request) };
  } catch (error) {
    return { error: packError(error) };
  }
}

/** The buffers of a run's results, which are moved rather than copied. */
function buffersOf(operation: OperationName, reply: HostReply): ArrayBuffer[] {
  if (operation !== "run" || "error" in reply) return [];
  const tensors = Object.values(reply.result as Record<string, { readonly data: Uint8Array }>);
  // Two outputs may share a buffer, and a buffer is moved only once.
  return [...new Set(tensors.map(({ data }) => data.buffer as ArrayBuffer))];
}

/**
 * Serves the `WorkerHost` that started this worker thread.
 * @param createHost makes the host of the settings that the `WorkerHost` was given.
 */
export function serveSessions<Options>(
  createHost: (settings: unknown) => SessionHost<Options>,
): void {
  if (parentPort === null) return;
  const port = parentPort;
  const { state: shared, settings } = workerData as SessionWorkerData;
  const state = new Int32Array(shared);
  const host = createHost(settings);
  const finish = (): void => {
    Atomics.compareExchange(state, 0, working, idle);
    Atomics.notify(state, 0);
  };
  process.on("exit", finish);
  port.on("message", (request: HostRequest<Options>) => {
    if (Atomics.compareExchange(state, 0, requested, working) !== requested) return;
    void (async () => {
      const reply = await answer(host, request);
      // Idle before the answer: whoever gets the answer may send the next request at once.
      finish();
      port.postMessage(reply, buffersOf(request.operation, reply));
    })();
  });
}
