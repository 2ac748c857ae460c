import {
  type GraphProfile,
  type GraphVariant,
  LatentSyncError,
  type Precision,
  type Resources,
  type Runtime,
} from "@ls/core";
import { createCudaRuntime, createTensorRtRuntime, probeCuda } from "@ls/runtime-cuda";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import { createOpenVinoRuntime } from "@ls/runtime-openvino";
import type { PrecisionName, RuntimeName } from "./options.ts";

export interface RuntimeChoice {
  readonly runtime?: RuntimeName | Runtime | undefined;
  /** Arithmetic that `auto` finds a runtime for. Default: what is fastest. */
  readonly precision?: Precision | PrecisionName | undefined;
  readonly threads?: number | undefined;
  /** The only graphs that the model has; `auto` finds a runtime for them. Default: it has all. */
  readonly variants?: readonly GraphVariant[] | undefined;
  /** Number of the GPU, where there are several. Default 0. */
  readonly deviceId?: number | undefined;
}

/** OpenVINO where it is installed and faster than ONNX Runtime: on a CPU with bfloat16. */
async function fastOpenVino(threads: number | undefined): Promise<Runtime | undefined> {
  try {
    const runtime = await createOpenVinoRuntime({ threads });
    if (runtime.capabilities.precisions[0] === "bfloat16") return runtime;
    await runtime[Symbol.asyncDispose]();
  } catch (error) {
    if (!LatentSyncError.is(error) || error.code !== "unsupported") throw error;
  }
  return undefined;
}

/**
 * The runtime of a name, among `resources`; `auto` is CUDA where it works, else OpenVINO where it is
 * installed and can compute in bfloat16, else ONNX Runtime on the CPU; but only what the model has
 * graphs for.
 */
export async function selectRuntime(
  { runtime = "auto", precision = "auto", variants, threads, deviceId }: RuntimeChoice,
  resources: Resources,
): Promise<Runtime> {
  if (typeof runtime === "object") return runtime;
  const isTried = (profile: GraphProfile): boolean =>
    runtime === "auto" &&
    (variants === undefined || variants.some((variant) => variant.profile === profile));
  if (runtime === "tensorrt") return resources.use(await createTensorRtRuntime({ deviceId }));
  if (runtime === "cuda" || (isTried("cuda") && (await probeCuda()).available)) {
    return resources.use(await createCudaRuntime({ deviceId }));
  }
  if (runtime === "openvino") return resources.use(await createOpenVinoRuntime({ threads }));
  if (isTried("openvino") && (precision === "auto" || precision === "bfloat16")) {
    const openVino = await fastOpenVino(threads);
    if (openVino !== undefined) return resources.use(openVino);
  }
  const device = runtime === "auto" ? "cpu" : runtime;
  return resources.use(await createOnnxRuntime({ device, threads }));
}
