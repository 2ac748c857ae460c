import type { Precision } from "@ls/core";
import { runtimeConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";
import {
  createCudaRuntime,
  createTensorRtRuntime,
  probeCuda,
  probeTensorRt,
} from "../src/index.ts";

const cuda = await probeCuda();
const tensorRt = await probeTensorRt();

runtimeConformance("cuda", () => createCudaRuntime({ threads: 1 }), {
  skip: cuda.available ? undefined : cuda.problems.join(" "),
});

runtimeConformance(
  "cuda with options of its provider",
  () => createCudaRuntime({ threads: 1, providerOptions: { cudnn_conv_algo_search: "HEURISTIC" } }),
  { skip: cuda.available ? undefined : cuda.problems.join(" ") },
);

runtimeConformance("tensorrt", () => createTensorRtRuntime({ threads: 1 }), {
  skip: tensorRt.available ? undefined : tensorRt.problems.join(" "),
});

describe("probeCuda", () => {
  it("says what is wrong exactly where CUDA cannot be used", () => {
    for (const { available, problems, hint } of [cuda, tensorRt]) {
      expect(problems.length === 0).toBe(available);
      expect(hint === undefined).toBe(available);
    }
  });
});

describe("createCudaRuntime", () => {
  it.skipIf(cuda.available)("fails with what the probe found (skipped with CUDA)", async () => {
    const providerOptions = { use_tf32: "0" };
    await expect(createCudaRuntime({ providerOptions })).rejects.toMatchObject({
      code: "unsupported",
    });
    await expect(createTensorRtRuntime()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining(tensorRt.problems[0] ?? "a problem"),
    });
    await expect(createCudaRuntime()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining(cuda.problems[0] ?? "a problem"),
      hint: expect.stringContaining("cpu"),
    });
  });

  it.each([-1, 0.5, Number.NaN])("refuses device %s", async (deviceId) => {
    await expect(createCudaRuntime({ deviceId })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(String(deviceId)),
    });
  });

  it("refuses a precision that it does not know", async () => {
    await expect(createCudaRuntime({ precision: "int8" as Precision })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("int8"),
    });
  });
});
