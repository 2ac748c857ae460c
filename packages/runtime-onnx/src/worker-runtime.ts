import { availableParallelism } from "node:os";
import type { GraphProfile, Runtime, RuntimeCapabilities } from "@ls/core";
import { probeCapabilities } from "./device-probe.ts";
import { HostedRuntime } from "./hosted-runtime.ts";
import type { NativeSessionOptions } from "./messages.ts";
import { OrtHost } from "./ort-host.ts";
import { silenceTelemetry } from "./ort-module.ts";
import { checkThreads } from "./threads.ts";
import { WorkerHost } from "./worker-host.ts";

/** An execution provider of onnxruntime-node and its options, such as `deviceId`. */
export interface ExecutionProvider {
  readonly name: string;
  readonly [option: string]: string | number | boolean;
}

export interface WorkerRuntimeOptions {
  /** Short name of the runtime, such as `cpu` or `cuda`. */
  readonly name: string;
  /** With `unavailableHint`, precisions that the device turns out not to have are left out. */
  readonly capabilities: RuntimeCapabilities;
  /** In order of preference; what none of them can run falls to the CPU. */
  readonly executionProviders: readonly ExecutionProvider[];
  /**
   * What to do where the device is missing. If given, the device is tried with a model of one
   * node, and the runtime is made only if that runs.
   */
  readonly unavailableHint?: string | undefined;
  /**
   * Profile for a device that is tried and computes fused attention wrongly. Default: attention is not
   * tried.
   */
  readonly unfusedProfile?: GraphProfile | undefined;
  /** Threads of a session on the CPU. Default: as many as the process may use. */
  readonly threads?: number | undefined;
  /** Runs on the calling thread, which every run then blocks. Default: false. */
  readonly inProcess?: boolean | undefined;
}

function workerUrl(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./session.worker.ts" : "./session.worker.js";
  return new URL(name, import.meta.url);
}

function nativeSessionOptions({
  executionProviders,
  threads = availableParallelism(),
}: WorkerRuntimeOptions): NativeSessionOptions {
  return {
    executionProviders,
    intraOpNumThreads: checkThreads(threads),
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // Threads that spin between operators take the cores from decoding and encoding beside the
    // model: on two busy cores a UNet step took 1.2 to 1.8 times as long. (On idle ones 0.9.)
    extra: { session: { intra_op: { allow_spinning: "0" } } },
    // One planned block for all activations raised a small UNet's peak from 283 to 427 MB and was
    // not faster.
    enableMemPattern: false,
    // Only what is fatal: every error also comes back as an exception.
    logSeverityLevel: 4,
  };
}

/**
 * Makes a runtime on onnxruntime-node whose sessions live in a worker thread of their own.
 * @throws LatentSyncError `unsupported` if onnxruntime-node cannot be loaded or the device was
 *   tried and is missing, `invalid_argument` for bad options.
 */
export async function createWorkerRuntime(options: WorkerRuntimeOptions): Promise<Runtime> {
  const { name, unavailableHint: hint, unfusedProfile } = options;
  silenceTelemetry();
  const sessionOptions = nativeSessionOptions(options);
  const host = options.inProcess === true ? new OrtHost() : new WorkerHost(workerUrl());
  try {
    await host.open();
    const { capabilities: claimed } = options;
    const capabilities =
      hint === undefined
        ? claimed
        : await probeCapabilities(host, () => sessionOptions, {
            name,
            capabilities: claimed,
            hint,
            unfusedProfile,
          });
    return new HostedRuntime({
      name,
      capabilities,
      host,
      sessionOptions: ({ dimensions }) => ({
        ...sessionOptions,
        freeDimensionOverrides: dimensions,
      }),
    });
  } catch (error) {
    await host.close();
    throw error;
  }
}
