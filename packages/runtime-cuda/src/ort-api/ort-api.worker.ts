import { serveSessions } from "@ls/runtime-onnx/host";
import { OrtApiHost } from "./ort-api-host.ts";

serveSessions((path) => new OrtApiHost(String(path)));
