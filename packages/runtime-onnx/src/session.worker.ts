import { parentPort, workerData } from "node:worker_threads";
import {
  type HostReply,
  type HostRequest,
  type SessionWorkerData,
  WORKER_STATE,
} from "./messages.ts";
import { packError } from "./native-errors.ts";
import { OrtHost } from "./ort-host.ts";

const { idle, requested, working } = WORKER_STATE;

async function perform(host: OrtHost, request: HostRequest): Promise<unknown> {
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

async function answer(host: OrtHost, request: HostRequest): Promise<HostReply> {
  try {
    return { result: await perform(host, request) };
  } catch (error) {
    return { error: packError(error) };
  }
}

/** The buffers of a run's results, which are moved rather than copied. */
function buffersOf(request: HostRequest, reply: HostReply): ArrayBuffer[] {
  if (request.operation !== "run" || "error" in reply) return [];
  const tensors = Object.values(reply.result as Record<string, { readonly data: Uint8Array }>);
  // Two outputs may share a buffer, and a buffer is moved only once.
  return [...new Set(tensors.map(({ data }) => data.buffer as ArrayBuffer))];
}

function serve(port: NonNullable<typeof parentPort>, state: Int32Array): void {
  const host = new OrtHost();
  const finish = (): void => {
    Atomics.compareExchange(state, 0, working, idle);
    Atomics.notify(state, 0);
  };
  process.on("exit", finish);
  port.on("message", (request: HostRequest) => {
    if (Atomics.compareExchange(state, 0, requested, working) !== requested) return;
    void (async () => {
      const reply = await answer(host, request);
      // Idle before the answer: whoever gets the answer may send the next request at once.
      finish();
      port.postMessage(reply, buffersOf(request, reply));
    })();
  });
}

if (parentPort !== null) {
  serve(parentPort, new Int32Array((workerData as SessionWorkerData).state));
}
