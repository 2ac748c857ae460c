import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";

/**
 * The folder of onnxruntime-node's native libraries for this platform, where ONNX Runtime looks
 * for the libraries of further execution providers. It need not exist.
 * @throws LatentSyncError `unsupported` if onnxruntime-node is not installed.
 */
export function nativeLibraryFolder(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
    return join(dirname(manifest), "bin", "napi-v6", process.platform, process.arch);
  } catch (cause) {
    throw new LatentSyncError("unsupported", "onnxruntime-node is not installed.", {
      cause,
      hint: "Run `npm install onnxruntime-node`.",
    });
  }
}
