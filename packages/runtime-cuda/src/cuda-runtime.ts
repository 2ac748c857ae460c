import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  graphPrecision,
  LatentSyncError,
  type MemoryInfo,
  type Precision,
  type Runtime,
  type RuntimeCapabilities,
} from "@ls/core";
import { cacheFolder } from "@ls/files";
import { createWorkerRuntime, nativeLibraryFolder, ortVersion } from "@ls/runtime-onnx";
import { loadInstalledLibraries } from "./cuda-libraries.ts";
import { findMissing, installHint, type ProviderName, thisMachine } from "./cuda-requirements.ts";
import { gpuMemory } from "./gpu-memory.ts";
import type { ApiProvider } from "./ort-api/ort-api-host.ts";
import { createOrtApiRuntime } from "./ort-api/ort-api-runtime.ts";

export interface CudaRuntimeOptions {
  /** Number of the GPU, from 0. Default: 0. */
  readonly deviceId?: number | undefined;
  /** The precision to prefer. Default: float16. */
  readonly precision?: Precision | undefined;
  /** Threads for what runs on the CPU. Default: as many as the process may use. */
  readonly threads?: number | undefined;
  /**
   * Further options of ONNX Runtime's CUDA provider by its own names, such as `gpu_mem_limit`,
   * `cudnn_conv_algo_search`, `prefer_nhwc` or `use_tf32`. onnxruntime-node passes none of them on, so
   * with any the runtime goes through ONNX Runtime's C API. Default: none.
   */
  readonly providerOptions?: Readonly<Record<string, string>> | undefined;
}

export interface TensorRtRuntimeOptions extends CudaRuntimeOptions {
  /**
   * Where engines and timings are kept, so that a graph is compiled once for a GPU. Default:
   * `tensorrt` in the cache folder.
   */
  readonly engineFolder?: string | undefined;
}

/** What {@link probeCuda} found. */
export interface CudaAvailability {
  readonly available: boolean;
  /** What is missing or failed, a sentence for each; empty if CUDA can be used. */
  readonly problems: readonly string[];
  /** What to do about it; undefined if it is available. */
  readonly hint: string | undefined;
}

const LIBRARY_NAMES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libonnxruntime.so.1",
  win32: "onnxruntime.dll",
};

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
    `precision must be float16 or float32, but is "${precision}".`,
    { hint: "Choose one of them." },
  );
}

/** Makes sure of what a provider needs, and loads NVIDIA's libraries where they were installed. */
function prepare(name: ProviderName): { readonly folder: string; readonly hint: string } {
  const folder = nativeLibraryFolder();
  const missing = findMissing(thisMachine(folder), name);
  const hint = installHint(missing);
  if (missing.length > 0) {
    throw new LatentSyncError(
      "unsupported",
      `The ${name} runtime is not available. ${missing.join(" ")}`,
      { hint },
    );
  }
  loadInstalledLibraries(folder);
  return { folder, hint };
}

function libraryPath(folder: string): string {
  return join(folder, LIBRARY_NAMES[process.platform] ?? "");
}

/**
 * Makes a runtime on ONNX Runtime's CUDA provider, and tries the GPU with a model of one node. Each has
 * a worker thread of its own, so one for each GPU runs beside the others.
 * @throws LatentSyncError `unsupported` with everything that is missing if CUDA cannot be used
 *   here, `invalid_argument` for bad options.
 */
export async function createCudaRuntime(options: CudaRuntimeOptions = {}): Promise<Runtime> {
  const { deviceId = 0, precision = "float16", threads, providerOptions = {} } = options;
  checkDeviceId(deviceId);
  const precisions = order(precision);
  const { folder, hint } = prepare("cuda");
  const capabilities: RuntimeCapabilities = { device: "gpu", profile: "cuda", precisions };
  const memory = (): Promise<MemoryInfo | undefined> => gpuMemory(deviceId);
  if (Object.keys(providerOptions).length === 0) {
    const runtime = await createWorkerRuntime({
      name: "cuda",
      capabilities,
      executionProviders: [{ name: "cuda", deviceId }],
      unavailableHint: hint,
      threads,
    });
    return Object.assign(runtime, { memory });
  }
  const provider: ApiProvider = {
    name: "CUDA",
    options: { ...providerOptions, device_id: String(deviceId) },
  };
  const runtime = await createOrtApiRuntime({
    name: "cuda",
    capabilities,
    library: libraryPath(folder),
    providers: () => [provider],
    unavailableHint: hint,
    threads,
  });
  return Object.assign(runtime, { memory });
}

/** Options of ONNX Runtime's TensorRT provider. */
export function tensorRtOptions(options: {
  readonly deviceId: number;
  readonly engineFolder: string;
  /** Of the graph; undefined where it is not known. */
  readonly precision: Precision | undefined;
  readonly providerOptions?: Readonly<Record<string, string>> | undefined;
}): Readonly<Record<string, string>> {
  const { deviceId, engineFolder, precision, providerOptions } = options;
  const isHalf = precision !== undefined && graphPrecision(precision) === "float16";
  return {
    trt_engine_cache_enable: "1",
    trt_timing_cache_enable: "1",
    trt_timing_cache_path: engineFolder,
    // It allows half precision, and a graph of half precision needs it allowed.
    trt_fp16_enable: isHalf ? "1" : "0",
    trt_builder_optimization_level: "5",
    ...providerOptions,
    device_id: String(deviceId),
  };
}

/**
 * Makes a runtime on ONNX Runtime's TensorRT provider, whose engines are kept. The first session of a
 * graph compiles it, which takes minutes; so does a shape that is new to it, unless `dimensions` of the
 * session fix the shapes. What TensorRT cannot run falls to CUDA.
 * @throws LatentSyncError `unsupported` with everything that is missing if TensorRT cannot be used
 *   here, `invalid_argument` for bad options.
 */
export async function createTensorRtRuntime(
  options: TensorRtRuntimeOptions = {},
): Promise<Runtime> {
  const { deviceId = 0, precision = "float16", threads, providerOptions } = options;
  checkDeviceId(deviceId);
  const precisions = order(precision);
  const { folder, hint } = prepare("tensorrt");
  const root = options.engineFolder ?? join(cacheFolder(), "tensorrt");
  const engineFolder = join(root, ortVersion());
  mkdirSync(engineFolder, { recursive: true });
  const runtime = await createOrtApiRuntime({
    name: "tensorrt",
    capabilities: { device: "gpu", profile: "tensorrt", precisions },
    library: libraryPath(folder),
    providers: (wishes) => [
      {
        name: "TensorRT",
        options: tensorRtOptions({
          deviceId,
          engineFolder,
          precision: wishes.precision,
          providerOptions,
        }),
        graphFolder: { option: "trt_engine_cache_path", root: engineFolder },
      },
      { name: "CUDA", options: { device_id: String(deviceId) } },
    ],
    unavailableHint: hint,
    threads,
  });
  return Object.assign(runtime, { memory: () => gpuMemory(deviceId) });
}

async function probe(
  name: ProviderName,
  create: () => Promise<Runtime>,
): Promise<CudaAvailability> {
  const missing = findMissing(thisMachine(nativeLibraryFolder()), name);
  if (missing.length > 0) {
    return { available: false, problems: missing, hint: installHint(missing) };
  }
  try {
    const runtime = await create();
    await runtime[Symbol.asyncDispose]();
    return { available: true, problems: [], hint: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const hint = LatentSyncError.is(error) ? error.hint : undefined;
    return { available: false, problems: [message], hint };
  }
}

/** Finds out whether CUDA can be used here and, if not, precisely what is missing. */
export async function probeCuda(
  options: Pick<CudaRuntimeOptions, "deviceId"> = {},
): Promise<CudaAvailability> {
  checkDeviceId(options.deviceId ?? 0);
  return await probe("cuda", () => createCudaRuntime({ ...options, threads: 1 }));
}

/** Finds out whether TensorRT can be used here and, if not, precisely what is missing. */
export async function probeTensorRt(
  options: Pick<CudaRuntimeOptions, "deviceId"> = {},
): Promise<CudaAvailability> {
  checkDeviceId(options.deviceId ?? 0);
  return await probe("tensorrt", () => createTensorRtRuntime({ ...options, threads: 1 }));
}
