import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeLibraryFolder } from "@ls/runtime-onnx";
import { runtimeConformance } from "@ls/testing/conformance";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tensorRtOptions } from "../src/cuda-runtime.ts";
import { OrtApiHost, type ApiProvider } from "../src/ort-api/ort-api-host.ts";
import { createOrtApiRuntime } from "../src/ort-api/ort-api-runtime.ts";

const NAMES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libonnxruntime.so.1",
  win32: "onnxruntime.dll",
};
const library = join(nativeLibraryFolder(), NAMES[process.platform] ?? "none");
const skip = existsSync(library) ? undefined : "there is no CUDA for this platform";

/** The C API with no provider, which computes on the CPU. */
function createCpu(threads = 1): ReturnType<typeof createOrtApiRuntime> {
  return createOrtApiRuntime({
    name: "api",
    capabilities: { device: "cpu", profile: "cpu", precisions: ["float32"] },
    library,
    providers: () => [],
    unavailableHint: "There is nothing to do.",
    threads,
  });
}

runtimeConformance("ONNX Runtime's C API on the CPU", () => createCpu(), { skip });

describe.skipIf(skip !== undefined)("ONNX Runtime's C API (needs linux or win32)", () => {
  it("refuses a library that is missing or of another kind", async () => {
    for (const path of [join(tmpdir(), "no-such-library.so"), process.execPath]) {
      const host = new OrtApiHost(path);
      await expect(host.open()).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining(path),
      });
      await host.close();
    }
  });

  it("refuses a number of threads that is none", async () => {
    await expect(createCpu(0)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe.skipIf(skip !== undefined)("providers of the C API (needs linux or win32)", () => {
  let root: string;
  let host: OrtApiHost;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "ort-api-"));
    host = new OrtApiHost(library);
    await host.open();
  });

  afterEach(async () => {
    await host.close();
    await rm(root, { recursive: true });
  });

  const create = (provider: ApiProvider, bytes: Uint8Array): Promise<unknown> =>
    host.create({ bytes }, { providers: [provider], threads: 1, dimensions: {} });

  it("are asked for with their options, and missed by the library's own words", async () => {
    const cuda: ApiProvider = { name: "CUDA", options: { no_such_option: "1" } };
    await expect(create(cuda, new Uint8Array(4))).rejects.toMatchObject({
      message: expect.stringMatching(/CUDA|no_such_option/u),
    });
  });

  it("keep what belongs to a graph apart from other graphs", async () => {
    const provider: ApiProvider = {
      name: "TensorRT",
      options: { trt_engine_cache_enable: "1" },
      graphFolder: { option: "trt_engine_cache_path", root },
    };
    for (const last of [1, 2, 1]) {
      await expect(create(provider, Uint8Array.of(8, 8, 58, last))).rejects.toBeInstanceOf(Error);
    }
    expect(await readdir(root)).toHaveLength(2);
  });
});

describe("tensorRtOptions", () => {
  it("keeps engines and timings, and allows half precision to graphs of it alone", () => {
    const common = { deviceId: 1, engineFolder: "/engines" };
    expect(tensorRtOptions({ ...common, precision: "float16" })).toMatchObject({
      device_id: "1",
      trt_engine_cache_enable: "1",
      trt_timing_cache_path: "/engines",
      trt_fp16_enable: "1",
    });
    expect(tensorRtOptions({ ...common, precision: "float32" })["trt_fp16_enable"]).toBe("0");
    const providerOptions = { trt_builder_optimization_level: "3", device_id: "7" };
    expect(tensorRtOptions({ ...common, precision: undefined, providerOptions })).toMatchObject({
      trt_builder_optimization_level: "3",
      device_id: "1",
    });
  });
});
