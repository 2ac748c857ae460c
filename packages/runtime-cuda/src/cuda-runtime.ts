import { LatentSyncError, type Precision, type Runtime } from "@ls/core";
import { createWorkerRuntime, nativeLibraryFolder } from "@ls/runtime-onnx";
import { findMissing, thisMachine } from "./cuda-requirements.ts";

export interface CudaRuntimeOptions {
  /** Number of the GPU, from 0. Default: 0. */
  readonly deviceId?: number | undefined;
  /** The precision to prefer. Default: float16. */
  readonly precision?: Precision | undefined;
  /** Threads for what runs on the CPU. Default: as many as the process may use. */
  readonly threads?: number | undefined;
}

/** What {@link probeCuda} found. */
export interface CudaAvailability {
  readonly available: boolean;
  /** What is missing or failed, a sentence for each; empty if CUDA can be used. */
  readonly problems: readonly string[];
}

const HINT =
  "Install an NVIDIA driver, CUDA 13 and cuDNN 9, put ONNX Runtime's CUDA provider beside " +
  "onnxruntime-node's library, or use the cpu or webgpu runtime.";

function checkDeviceId(deviceId: number): void {
  if (Number.isSafeInteger(deviceId) && deviceId >= 0) return;
  throw new LatentSyncError(
    "invalid_argument",
    `deviceId must be an integer from 0, but is ${deviceId}.`,
    { hint: "Give the GPU's number as nvidia-smi shows it." },
  );
}

function order(precision: Precision): readonly [Precision, ...Precision[]] {
  if (precision === "float16") return ["float16", "float32"];
  if (precision === "float32") return ["float32", "float16"];
  throw new LatentSyncError(
    "invalid_argument",
    `precision must be float16 or float32, but is "${String(precision)}".`,
    { hint: "Choose one of them." },
  );
}

/**
 * Makes a runtime on ONNX Runtime's CUDA provider, and tries the GPU with a model of one node.
 * @throws LatentSyncError `unsupported` with everything that is missing if CUDA cannot be used
 *   here, `invalid_argument` for bad options.
 */
export async function createCudaRuntime(options: CudaRuntimeOptions = {}): Promise<Runtime> {
  const { deviceId = 0, precision = "float16", threads } = options;
  checkDeviceId(deviceId);
  const precisions = order(precision);
  const missing = findMissing(thisMachine(nativeLibraryFolder()));
  if (missing.length > 0) {
    throw new LatentSyncError(
      "unsupported",
      `The cuda runtime is not available. ${missing.join(" ")}`,
      { hint: HINT },
    );
  }
  return await createWorkerRuntime({
    name: "cuda",
    capabilities: { device: "gpu", profile: "cuda", precisions },
    executionProviders: [{ name: "cuda", deviceId }],
    unavailableHint: HINT,
    threads,
  });
}

/** Finds out whether CUDA can be used here and, if not, precisely what is missing. */
export async function probeCuda(
  options: Pick<CudaRuntimeOptions, "deviceId"> = {},
): Promise<CudaAvailability> {
  checkDeviceId(options.deviceId ?? 0);
  const missing = findMissing(thisMachine(nativeLibraryFolder()));
  if (missing.length > 0) return { available: false, problems: missing };
  try {
    const runtime = await createCudaRuntime({ ...options, threads: 1 });
    await runtime[Symbol.asyncDispose]();
    return { available: true, problems: [] };
  } catch (error) {
    return { available: false, problems: [error instanceof Error ? error.message : String(error)] };
  }
}
