import {
  type GraphProfile,
  LatentSyncError,
  type Precision,
  type Runtime,
  type RuntimeCapabilities,
} from "@ls/core";
import { createWorkerRuntime } from "./worker-runtime.ts";

/** Devices that onnxruntime-node's own binaries can drive, depending on the platform. */
export type OnnxDevice = "cpu" | "webgpu" | "coreml" | "directml";

export interface OnnxRuntimeOptions {
  /** Default: `cpu`. */
  readonly device?: OnnxDevice | undefined;
  /** Threads for what runs on the CPU. Default: as many as the process may use. */
  readonly threads?: number | undefined;
  /**
   * Runs on the calling thread instead of in a worker: `run` then blocks the thread, and nothing
   * else happens meanwhile. Default: false.
   */
  readonly inProcess?: boolean | undefined;
}

/** What {@link probeDevices} found out about a device. */
export interface DeviceAvailability {
  readonly device: OnnxDevice;
  readonly available: boolean;
  /** Why it is not available, in a sentence; undefined if it is. */
  readonly reason: string | undefined;
  /** Supported precisions, the preferred one first; empty if it is not available. */
  readonly precisions: readonly Precision[];
}

interface DeviceDescription {
  readonly provider: string;
  readonly capabilities: RuntimeCapabilities;
  /** What to do where it is missing; undefined for the device that always exists. */
  readonly unavailableHint: string | undefined;
  /** What it runs where its fused attention turns out to be wrong. */
  readonly unfusedProfile?: GraphProfile;
}

const GPU_PRECISIONS = ["float16", "float32"] as const;

const DEVICES: Readonly<Record<OnnxDevice, DeviceDescription>> = {
  cpu: {
    provider: "cpu",
    // Half precision is emulated there, so it comes second.
    capabilities: { device: "cpu", profile: "cpu", precisions: ["float32", "float16"] },
    unavailableHint: undefined,
  },
  webgpu: {
    provider: "webgpu",
    capabilities: { device: "gpu", profile: "webgpu", precisions: GPU_PRECISIONS },
    unavailableHint: "Install the GPU's driver, with Vulkan on Linux, or use the cpu runtime.",
    // Standard operators only.
    unfusedProfile: "tensorrt",
  },
  coreml: {
    provider: "coreml",
    capabilities: { device: "gpu", profile: "cpu", precisions: GPU_PRECISIONS },
    unavailableHint: "CoreML exists on macOS only: use the cpu or webgpu runtime.",
  },
  directml: {
    provider: "dml",
    capabilities: { device: "gpu", profile: "cpu", precisions: GPU_PRECISIONS },
    unavailableHint: "DirectML exists on Windows only: use the cpu or webgpu runtime.",
  },
};

/**
 * Makes a runtime on onnxruntime-node.
 * @throws LatentSyncError `unsupported` if the device or the native library is not available here,
 *   `invalid_argument` for bad options.
 */
export async function createOnnxRuntime(options: OnnxRuntimeOptions = {}): Promise<Runtime> {
  const { device = "cpu", threads, inProcess } = options;
  if (!Object.hasOwn(DEVICES, device)) {
    throw new LatentSyncError(
      "invalid_argument",
      `device must be one of ${Object.keys(DEVICES).join(", ")}, but is "${device}".`,
      { hint: "Choose one of them." },
    );
  }
  const { provider, capabilities, unavailableHint, unfusedProfile } = DEVICES[device];
  return await createWorkerRuntime({
    name: device,
    capabilities,
    executionProviders: [{ name: provider }],
    unavailableHint,
    unfusedProfile,
    threads,
    inProcess,
  });
}

/** Tries every device of this package; for people, and for an automatic choice. */
export async function probeDevices(): Promise<readonly DeviceAvailability[]> {
  const found: DeviceAvailability[] = [];
  for (const device of Object.keys(DEVICES) as OnnxDevice[]) {
    try {
      await using runtime = await createOnnxRuntime({ device, threads: 1 });
      const { precisions } = runtime.capabilities;
      found.push({ device, available: true, reason: undefined, precisions });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      found.push({ device, available: false, reason, precisions: [] });
    }
  }
  return found;
}
