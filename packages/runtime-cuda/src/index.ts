export {
  createCudaRuntime,
  type CudaAvailability,
  type CudaRuntimeOptions,
  probeCuda,
} from "./cuda-runtime.ts";
