import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** This package's version. */
export function packageVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The native libraries that decide speed and results, with the versions they are pinned to. */
export function nativeVersions(): Readonly<Record<string, string>> {
  return {
    "onnxruntime-node": pinnedVersion("@ls/runtime-onnx", "onnxruntime-node"),
    "node-av": pinnedVersion("@ls/video", "node-av"),
  };
}

function pinnedVersion(owner: string, dependency: string): string {
  const file = createRequire(import.meta.url).resolve(`${owner}/package.json`);
  const { dependencies } = JSON.parse(readFileSync(file, "utf8")) as {
    dependencies: Readonly<Record<string, string>>;
  };
  return dependencies[dependency] ?? "unknown";
}
