import { runtimeConformance } from "@ls/testing/conformance";
import { createOnnxRuntime, probeDevices } from "../src/index.ts";

const webgpu = (await probeDevices()).find(({ device }) => device === "webgpu");

runtimeConformance("cpu", () => createOnnxRuntime({ threads: 1 }));
runtimeConformance("cpu in process", () => createOnnxRuntime({ threads: 1, inProcess: true }));
runtimeConformance("webgpu", () => createOnnxRuntime({ device: "webgpu", threads: 1 }), {
  skip: webgpu?.reason,
});
