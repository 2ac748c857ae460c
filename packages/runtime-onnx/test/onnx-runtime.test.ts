import { runtimeConformance } from "@ls/testing/conformance";
import { createOnnxRuntime } from "../src/index.ts";

runtimeConformance("cpu", () => createOnnxRuntime({ threads: 1 }));
runtimeConformance("cpu in process", () => createOnnxRuntime({ threads: 1, inProcess: true }));
