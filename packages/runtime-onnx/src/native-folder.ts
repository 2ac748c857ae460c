import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { runtimeFolder } from "@ls/files";

/** The addon that loads ONNX Runtime's library from its own folder. */
const BINDING = "onnxruntime_binding.node";

interface OrtPackage {
  readonly folder: string;
  readonly version: string;
}

function findPackage(): OrtPackage {
  try {
    const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string };
    return { folder: dirname(manifest), version };
  } catch (cause) {
    throw new LatentSyncError("unsupported", "onnxruntime-node is not installed.", {
      cause,
      hint: "Run `npm install onnxruntime-node`.",
    });
  }
}

function bundledFolder({ folder }: OrtPackage): string {
  return join(folder, "bin", "napi-v6", process.platform, process.arch);
}

/**
 * The version of onnxruntime-node, and so of ONNX Runtime.
 * @throws LatentSyncError `unsupported` if onnxruntime-node is not installed.
 */
export function ortVersion(): string {
  return findPackage().version;
}

/**
 * The addon of a folder where `latentsync-ts runtime install cuda` has put ONNX Runtime together with
 * further execution providers; undefined if there is none for this version.
 */
export function installedBinding(): string | undefined {
  const path = join(runtimeFolder("cuda", ortVersion()), BINDING);
  return existsSync(path) ? path : undefined;
}

/**
 * The folder that ONNX Runtime is loaded from, where it looks for the libraries of further execution
 * providers: an installed one, else onnxruntime-node's own for this platform, which need not exist.
 * @throws LatentSyncError `unsupported` if onnxruntime-node is not installed.
 */
export function nativeLibraryFolder(): string {
  const installed = installedBinding();
  return installed === undefined ? bundledFolder(findPackage()) : dirname(installed);
}

/**
 * Paths of what onnxruntime-node loads, by file name. Copied to a folder beside further execution
 * providers, these files make ONNX Runtime look for the providers there.
 * @throws LatentSyncError `unsupported` if onnxruntime-node has nothing for this platform.
 */
export function nativeLibraryFiles(): Readonly<Record<string, string>> {
  const folder = bundledFolder(findPackage());
  if (!existsSync(join(folder, BINDING))) {
    throw new LatentSyncError(
      "unsupported",
      `onnxruntime-node has no binaries for ${process.platform}-${process.arch}.`,
      { hint: "Use the openvino runtime, or another machine." },
    );
  }
  const names = readdirSync(folder).filter((name) => !name.includes("onnxruntime_providers_"));
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}
