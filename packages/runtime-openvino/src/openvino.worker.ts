import { serveSessions } from "@ls/runtime-onnx/host";
import type { LibraryCandidate } from "./open-library.ts";
import { OpenVinoHost } from "./openvino-host.ts";

serveSessions((settings) => new OpenVinoHost(settings as readonly LibraryCandidate[]));
