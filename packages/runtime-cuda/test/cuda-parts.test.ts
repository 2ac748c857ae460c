import { existsSync } from "node:fs";
import { basename } from "node:path";
import { ortVersion } from "@ls/runtime-onnx";
import { describe, expect, it } from "vitest";
import { cudaParts } from "../src/cuda-parts.ts";

const LINUX = { platform: "linux", architecture: "x64" } as const;
const WINDOWS = { platform: "win32", architecture: "x64" } as const;

/** Where each path of the first wheel that places it goes. */
function place(options: Parameters<typeof cudaParts>[0], path: string): string | undefined {
  return cudaParts(options)
    .wheels.map((wheel) => wheel.place(path))
    .find((to) => to !== undefined);
}

describe("cudaParts", () => {
  it("is of onnxruntime-node's version, with the files that it loads", () => {
    const parts = cudaParts(LINUX);
    expect(parts).toMatchObject({ name: "cuda", version: ortVersion() });
    expect(parts.wheels.map(({ project, version }) => `${project} ${version}`)).toEqual([
      `onnxruntime-gpu ${ortVersion()}`,
    ]);
    const copies = Object.entries(parts.copies ?? {});
    expect(copies.map(([name]) => name)).toContain("onnxruntime_binding.node");
    for (const [name, path] of copies) {
      expect(basename(path)).toBe(name);
      expect(existsSync(path)).toBe(true);
    }
  });

  it("takes the providers of a wheel and its licences, and nothing else", () => {
    const capi = "onnxruntime/capi";
    expect(place(LINUX, `${capi}/libonnxruntime_providers_cuda.so`)).toBe(
      "libonnxruntime_providers_cuda.so",
    );
    expect(place(WINDOWS, `${capi}/onnxruntime_providers_tensorrt.dll`)).toBe(
      "onnxruntime_providers_tensorrt.dll",
    );
    expect(place(LINUX, "onnxruntime/LICENSE")).toBe("licences/onnxruntime-gpu/LICENSE");
    expect(place(LINUX, `${capi}/libonnxruntime.so.1.30.0`)).toBeUndefined();
    expect(place(LINUX, "onnxruntime/tools/LICENSE")).toBeUndefined();
    expect(place(LINUX, "evil/libonnxruntime_providers_cuda.so")).toBeUndefined();
  });

  it("takes NVIDIA's libraries if asked, whatever folder their wheels use", () => {
    const linux = { ...LINUX, withLibraries: true };
    const windows = { ...WINDOWS, withLibraries: true };
    expect(place(linux, "nvidia/cu13/lib/libcublasLt.so.13")).toBe("libraries/libcublasLt.so.13");
    expect(place(linux, "nvidia/cudnn/lib/libcudnn_ops.so.9")).toBe("libraries/libcudnn_ops.so.9");
    expect(place(linux, "nvidia/cu13/include/cublas.h")).toBeUndefined();
    expect(place(windows, "nvidia/cu13/bin/x86_64/cudart64_13.dll")).toBe(
      "libraries/cudart64_13.dll",
    );
    expect(place(windows, "nvidia/cudnn/bin/cudnn64_9.dll")).toBe("libraries/cudnn64_9.dll");
    expect(place(LINUX, "nvidia/cu13/lib/libcublasLt.so.13")).toBeUndefined();
    const wheels = cudaParts(linux).wheels.map(({ project, version }) => `${project} ${version}`);
    expect(wheels.slice(1)).toEqual([
      "nvidia-cuda-runtime 13.*",
      "nvidia-cuda-nvrtc 13.*",
      "nvidia-cublas 13.*",
      "nvidia-curand 10.*",
      "nvidia-cudnn-cu13 9.*",
    ]);
  });

  it("says where there is no CUDA", () => {
    expect(() => cudaParts({ platform: "darwin", architecture: "arm64" })).toThrow(
      "CUDA needs linux-x64 or win32-x64, but this is darwin-arm64.",
    );
  });
});
