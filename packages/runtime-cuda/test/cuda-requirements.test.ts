import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  cudaDevices,
  findMissing,
  installHint,
  type Machine,
  thisMachine,
} from "../src/cuda-requirements.ts";

let providerFolder: string;

beforeEach(async () => {
  providerFolder = await mkdtemp(join(tmpdir(), "cuda-requirements-"));
});

afterEach(async () => {
  await rm(providerFolder, { recursive: true });
});

function machine(changes: Partial<Machine> = {}): Machine {
  return {
    platform: "linux",
    architecture: "x64",
    providerFolder,
    canLoad: () => true,
    devices: ["nvidia0"],
    ...changes,
  };
}

async function installProviders(...extra: string[]): Promise<void> {
  for (const file of ["libonnxruntime_providers_shared.so", ...extra]) {
    await writeFile(join(providerFolder, file), "");
  }
}

describe("findMissing", () => {
  it("finds nothing where everything is there", async () => {
    await installProviders("libonnxruntime_providers_cuda.so");
    expect(findMissing(machine())).toEqual([]);
  });

  it("names the provider's library and where it was looked for", async () => {
    await installProviders();
    expect(findMissing(machine())).toEqual([
      `ONNX Runtime's CUDA provider is not installed: libonnxruntime_providers_cuda.so not found in ${providerFolder}.`,
    ]);
  });

  it("names exactly the libraries that the loader does not find", async () => {
    await installProviders("libonnxruntime_providers_cuda.so");
    const canLoad = (library: string): boolean => !/cudnn|cublasLt/u.test(library);
    expect(findMissing(machine({ canLoad }))).toEqual([
      "Libraries of CUDA 13 or cuDNN 9 are not on the library path: libcublasLt.so.13, libcudnn.so.9.",
    ]);
  });

  it("names the driver and the missing device", async () => {
    await installProviders("libonnxruntime_providers_cuda.so");
    const canLoad = (library: string): boolean => library !== "libcuda.so.1";
    expect(findMissing(machine({ canLoad, devices: [] }))).toEqual([
      "The NVIDIA driver is not installed: libcuda.so.1 not found.",
      "There is no NVIDIA GPU: no /dev/nvidia0.",
    ]);
  });

  it("looks for Windows' names on Windows", () => {
    const problems = findMissing(
      machine({ platform: "win32", canLoad: () => false, devices: undefined }),
    );
    expect(problems).toHaveLength(3);
    expect(problems.join(" ")).toMatch(/onnxruntime_providers_cuda\.dll.*cudnn64_9\.dll.*nvcuda/u);
  });

  it("says which platforms have CUDA", () => {
    expect(findMissing(machine({ platform: "darwin", architecture: "arm64" }))).toEqual([
      "CUDA needs linux-x64 or win32-x64, but this is darwin-arm64.",
    ]);
  });
});

describe("findMissing for TensorRT", () => {
  it("asks for its provider and libraries beside CUDA's", async () => {
    await installProviders("libonnxruntime_providers_cuda.so");
    const canLoad = (library: string): boolean => !library.includes("nv");
    expect(findMissing(machine({ canLoad }), "tensorrt")).toEqual([
      `ONNX Runtime's TensorRT provider is not installed: libonnxruntime_providers_tensorrt.so not found in ${providerFolder}.`,
      "Libraries of TensorRT 10 are not on the library path: libnvinfer.so.10, libnvonnxparser.so.10.",
    ]);
    expect(findMissing(machine({ canLoad }))).toEqual([]);
  });
});

describe("findMissing with installed libraries", () => {
  it("asks the system's loader for the rest alone", async () => {
    await installProviders("libonnxruntime_providers_cuda.so");
    await mkdir(join(providerFolder, "libraries"));
    for (const name of ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13"]) {
      await writeFile(join(providerFolder, "libraries", name), "");
    }
    const canLoad = (library: string): boolean => library === "libcuda.so.1";
    expect(findMissing(machine({ canLoad }))).toEqual([
      "Libraries of CUDA 13 or cuDNN 9 are not on the library path: libcurand.so.10, libcudnn.so.9.",
    ]);
  });
});

describe("installHint", () => {
  it("names the command that brings what is missing", async () => {
    const bare = machine({ canLoad: (library) => library === "libcuda.so.1" });
    expect(installHint(findMissing(bare))).toContain("runtime install cuda --with-libraries.");
    expect(installHint(findMissing(machine()))).toContain("runtime install cuda.");
    await installProviders("libonnxruntime_providers_cuda.so");
    expect(installHint(findMissing(bare))).toContain("--with-libraries");
  });

  it("promises nothing where there is no GPU", () => {
    const hint = installHint(findMissing(machine({ devices: [] })));
    expect(hint).not.toContain("install cuda");
    expect(hint).toContain("cpu");
  });
});

describe("cudaDevices", () => {
  const files = ["nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"];

  it("counts the GPUs' files", () => {
    expect(cudaDevices(files, undefined)).toEqual([0, 1, 2]);
    expect(cudaDevices([], undefined)).toEqual([]);
  });

  it.each([
    ["2,0", [0, 1]],
    ["1", [0]],
    ["", []],
    ["-1", []],
    ["0,9,1", [0]],
    ["GPU-8d1f,GPU-77aa", [0, 1]],
  ])("numbers those of CUDA_VISIBLE_DEVICES=%s anew", (visible, expected) => {
    expect(cudaDevices(files, visible)).toEqual(expected);
  });

  it("takes one for granted where the system shows no files", () => {
    expect(cudaDevices(undefined, undefined)).toEqual([0]);
    expect(cudaDevices(["dxg"], undefined)).toEqual([0]);
  });
});

describe("thisMachine", () => {
  it.skipIf(process.platform !== "linux")("asks the system's loader (Linux only)", () => {
    const { canLoad } = thisMachine(providerFolder);
    expect(canLoad("libm.so.6")).toBe(true);
    expect(canLoad("libnosuchlibrary.so.1")).toBe(false);
  });
});
