export { cudaParts, type CudaPartsOptions, NVIDIA_LICENCES } from "./cuda-parts.ts";
export { listCudaDevices } from "./cuda-requirements.ts";
export {
  createCudaRuntime,
  createTensorRtRuntime,
  type CudaAvailability,
  type CudaRuntimeOptions,
  probeCuda,
  probeTensorRt,
  type TensorRtRuntimeOptions,
} from "./cuda-runtime.ts";
