import type { Resources, Runtime } from "@ls/core";
import { createCudaRuntime, probeCuda } from "@ls/runtime-cuda";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import type { RuntimeName } from "./options.ts";

export interface RuntimeChoice {
  readonly runtime?: RuntimeName | Runtime | undefined;
  readonly threads?: number | undefined;
}

/** The runtime of a name, among `resources`; `auto` is CUDA where it works, else the CPU. */
export async function selectRuntime(
  { runtime = "auto", threads }: RuntimeChoice,
  resources: Resources,
): Promise<Runtime> {
  if (typeof runtime === "object") return runtime;
  if (runtime === "cuda" || (runtime === "auto" && (await probeCuda()).available)) {
    return resources.use(await createCudaRuntime());
  }
  const device = runtime === "auto" ? "cpu" : runtime;
  return resources.use(await createOnnxRuntime({ device, threads }));
}
