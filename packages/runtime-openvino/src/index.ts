export {
  createOpenVinoRuntime,
  type OpenVinoAvailability,
  type OpenVinoRuntimeOptions,
  probeOpenVino,
} from "./openvino-runtime.ts";
export { openVinoParts } from "./wheel.ts";
