import { availableParallelism } from "node:os";
import type { Precision, Runtime, RuntimeCapabilities } from "@ls/core";
import { checkThreads, HostedRuntime, type SessionWishes, WorkerHost } from "@ls/runtime-onnx/host";
import { findLibraries } from "./installation.ts";
import type { GraphOptions } from "./openvino-host.ts";

export interface OpenVinoRuntimeOptions {
  /** Threads of a session. Default: as many as the process may use, one per core. */
  readonly threads?: number | undefined;
}

/** What {@link probeOpenVino} found. */
export interface OpenVinoAvailability {
  readonly available: boolean;
  /** Why it cannot be used; undefined if it can. */
  readonly reason: string | undefined;
  /** Release such as `2026.4.1`, if it can be used. */
  readonly version: string | undefined;
  /** Path of the library, if it can be used. */
  readonly path: string | undefined;
  /** Supported precisions, the preferred one first; empty if it cannot be used. */
  readonly precisions: readonly Precision[];
}

/** An open worker and what it found. */
interface Opened {
  readonly host: WorkerHost<GraphOptions>;
  readonly path: string | undefined;
  readonly version: string | undefined;
  readonly capabilities: RuntimeCapabilities;
}

function workerUrl(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./openvino.worker.ts" : "./openvino.worker.js";
  return new URL(name, import.meta.url);
}

/** How graphs are compiled: by what a session wants, for one run at a time. */
function graphOptions({ dimensions, precision }: SessionWishes, threads: number): GraphOptions {
  return {
    dimensions,
    properties: {
      INFERENCE_PRECISION_HINT: precision === "bfloat16" ? "bf16" : "f32",
      PERFORMANCE_HINT: "LATENCY",
      INFERENCE_NUM_THREADS: String(threads),
      // Pinned threads cannot make way for decoding and encoding, nor for another process that has
      // pinned its own to the same cores.
      ENABLE_CPU_PINNING: "NO",
    },
  };
}

async function open(): Promise<Opened> {
  const host = new WorkerHost<GraphOptions>(workerUrl(), findLibraries());
  try {
    const [path, version, ...abilities] = await host.open();
    const precisions = abilities.includes("BF16")
      ? (["bfloat16", "float32"] as const)
      : (["float32"] as const);
    return {
      host,
      path,
      version,
      capabilities: { device: "cpu", profile: "openvino", precisions },
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}

/**
 * Makes a runtime on OpenVINO's CPU device, wherever it is installed. Sessions live in a worker
 * thread of their own.
 * @throws LatentSyncError `unsupported` with the places that were looked at if OpenVINO is missing
 *   or cannot be used, `invalid_argument` for bad options.
 */
export async function createOpenVinoRuntime(
  options: OpenVinoRuntimeOptions = {},
): Promise<Runtime> {
  const threads = checkThreads(options.threads ?? availableParallelism());
  const { host, capabilities } = await open();
  return new HostedRuntime({
    name: "openvino",
    capabilities,
    host,
    sessionOptions: (wishes) => graphOptions(wishes, threads),
  });
}

/** Finds out whether OpenVINO can be used here, and which one. */
export async function probeOpenVino(): Promise<OpenVinoAvailability> {
  try {
    const { host, path, version, capabilities } = await open();
    await host.close();
    const { precisions } = capabilities;
    return { available: true, reason: undefined, path, version, precisions };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { available: false, reason, path: undefined, version: undefined, precisions: [] };
  }
}
