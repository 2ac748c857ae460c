/** NVIDIA's libraries that were installed beside the provider, where no system path leads. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";

/** Where they lie in the runtime's folder. */
export const LIBRARY_FOLDER = "libraries";

/** Each needs those before it. cuDNN loads its further parts from its own folder. */
const ORDER: readonly RegExp[] = [
  /^(?:lib)?cudart/,
  /^(?:lib)?nvrtc(?!-builtins)/,
  /^(?:lib)?cublasLt/,
  /^(?:lib)?cublas(?!Lt)/,
  /^(?:lib)?curand/,
  /^(?:lib)?cudnn(?:64)?[._]/,
];

/** Libraries that are loaded and stay so: closing one would unload it. */
const loaded = new Map<string, unknown>();

/** The names of the installed libraries; empty if none were installed. */
export function installedLibraries(providerFolder: string): readonly string[] {
  const folder = join(providerFolder, LIBRARY_FOLDER);
  return existsSync(folder) ? readdirSync(folder) : [];
}

/**
 * Loads the installed libraries into this process. The system's loader takes a library that is loaded
 * already, wherever it came from, when another asks for its name; so the provider finds them.
 * @throws LatentSyncError `unsupported` if one cannot be loaded.
 */
export function loadInstalledLibraries(providerFolder: string): void {
  const names = installedLibraries(providerFolder);
  for (const pattern of ORDER) {
    for (const name of names.filter((candidate) => pattern.test(candidate))) {
      const path = join(providerFolder, LIBRARY_FOLDER, name);
      if (!loaded.has(path)) loaded.set(path, load(path));
    }
  }
}

function load(path: string): unknown {
  try {
    // Loaded here and not on import: most machines have no such library.
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    return koffi.load(path, { global: true, lazy: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LatentSyncError("unsupported", `${path} cannot be loaded: ${reason}`, {
      cause,
      hint: "Run: latentsync-ts runtime install cuda --with-libraries",
    });
  }
}
