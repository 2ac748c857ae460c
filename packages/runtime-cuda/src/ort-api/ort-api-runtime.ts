/** Runtimes on ONNX Runtime's C API, in a worker thread of their own. */
import { availableParallelism } from "node:os";
import type { Runtime, RuntimeCapabilities } from "@ls/core";
import {
  checkThreads,
  HostedRuntime,
  probeCapabilities,
  type SessionWishes,
  silenceTelemetry,
  WorkerHost,
} from "@ls/runtime-onnx/host";
import type { ApiProvider, ApiSessionOptions } from "./ort-api-host.ts";

export interface OrtApiRuntimeOptions {
  readonly name: string;
  /** Precisions that the device turns out not to have are left out. */
  readonly capabilities: RuntimeCapabilities;
  /** Path of ONNX Runtime's library. */
  readonly library: string;
  /** Providers of a session, in order of preference. */
  readonly providers: (wishes: SessionWishes) => readonly ApiProvider[];
  /** What to do where the device is missing. */
  readonly unavailableHint: string;
  /** Threads of a session on the CPU. Default: as many as the process may use. */
  readonly threads?: number | undefined;
}

function workerUrl(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./ort-api.worker.ts" : "./ort-api.worker.js";
  return new URL(name, import.meta.url);
}

/**
 * Makes a runtime on ONNX Runtime's C API, and tries its device with a model of one node.
 * @throws LatentSyncError `unsupported` if the library or the device is missing,
 *   `invalid_argument` for bad options.
 */
export async function createOrtApiRuntime(options: OrtApiRuntimeOptions): Promise<Runtime> {
  const { name, library, providers, unavailableHint: hint } = options;
  const threads = checkThreads(options.threads ?? availableParallelism());
  const sessionOptions = (wishes: SessionWishes): ApiSessionOptions => ({
    providers: providers(wishes),
    threads,
    dimensions: wishes.dimensions,
  });
  silenceTelemetry();
  const host = new WorkerHost<ApiSessionOptions>(workerUrl(), library);
  try {
    await host.open();
    const capabilities = await probeCapabilities(
      host,
      (precision) => sessionOptions({ dimensions: {}, precision }),
      { name, capabilities: options.capabilities, hint },
    );
    return new HostedRuntime({ name, capabilities, host, sessionOptions });
  } catch (error) {
    await host.close();
    throw error;
  }
}
