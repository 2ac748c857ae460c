import { LatentSyncError } from "@ls/core";
import { installedBinding } from "./native-folder.ts";

export type OrtModule = typeof import("onnxruntime-node");

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? text;
}

/**
 * Keeps ONNX Runtime from sending usage data to its maker and from leaving `mat-debug-*.log` and
 * `.ses` in the temporary folder, which its binaries of 1.30 for Linux and macOS do. They look at
 * the variable when they are loaded; a worker thread cannot set it, so the main thread does.
 */
export function silenceTelemetry(): void {
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
}

/**
 * Loads ONNX Runtime from the folder where further execution providers were installed: it looks for
 * them where it was loaded from itself. onnxruntime-node's own addon then finds it loaded.
 */
function loadInstalled(): void {
  const path = installedBinding();
  if (path === undefined) return;
  try {
    process.dlopen({ exports: {} }, path);
  } catch (cause) {
    throw new LatentSyncError("unsupported", `${path} cannot be loaded: ${reason(cause)}`, {
      cause,
      hint: "Run: latentsync-ts runtime remove cuda",
    });
  }
}

/**
 * Imports onnxruntime-node, which loads its native library.
 * @param specifier another module with the same exports.
 * @throws LatentSyncError `unsupported` if the package or its native library cannot be loaded.
 */
export async function loadOrt(specifier = "onnxruntime-node"): Promise<OrtModule> {
  try {
    loadInstalled();
    const ort = (await import(specifier)) as OrtModule;
    // Every failure also comes back as an exception, so its own log would only repeat it.
    ort.env.logLevel = "fatal";
    return ort;
  } catch (error) {
    if (LatentSyncError.is(error)) throw error;
    throw new LatentSyncError(
      "unsupported",
      `onnxruntime-node cannot be loaded on ${process.platform}-${process.arch}: ${reason(error)}`,
      {
        cause: error,
        hint:
          "Run `npm install onnxruntime-node`. It has binaries for Linux with glibc (x64, arm64), " +
          "macOS (arm64) and Windows (x64, arm64).",
      },
    );
  }
}
