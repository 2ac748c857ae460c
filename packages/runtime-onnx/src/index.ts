export { nativeLibraryFiles, nativeLibraryFolder, ortVersion } from "./native-folder.ts";
export {
  createOnnxRuntime,
  type DeviceAvailability,
  type OnnxDevice,
  type OnnxRuntimeOptions,
  probeDevices,
} from "./onnx-runtime.ts";
export {
  createWorkerRuntime,
  type ExecutionProvider,
  type WorkerRuntimeOptions,
} from "./worker-runtime.ts";
