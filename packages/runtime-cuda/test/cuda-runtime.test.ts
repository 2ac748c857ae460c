import type { Precision } from "@ls/core";
import { runtimeConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";
import { createCudaRuntime, probeCuda } from "../src/index.ts";

const cuda = await probeCuda();

runtimeConformance("cuda", () => createCudaRuntime({ threads: 1 }), {
  skip: cuda.available ? undefined : cuda.problems.join(" "),
});

describe("probeCuda", () => {
  it("says what is wrong exactly where CUDA cannot be used", () => {
    expect(cuda.problems.length === 0).toBe(cuda.available);
  });
});

describe("createCudaRuntime", () => {
  it.skipIf(cuda.available)("fails with what the probe found (skipped with CUDA)", async () => {
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
