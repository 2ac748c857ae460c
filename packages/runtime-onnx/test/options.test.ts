import { describe, expect, it } from "vitest";
import { createOnnxRuntime, type OnnxDevice, probeDevices } from "../src/index.ts";
import { loadOrt } from "../src/ort-module.ts";

describe("createOnnxRuntime", () => {
  it.each([0, -1, 1.5, Number.NaN])("refuses %s threads", async (threads) => {
    await expect(createOnnxRuntime({ threads })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(String(threads)),
    });
  });

  it("refuses a device that it does not know", async () => {
    await expect(createOnnxRuntime({ device: "abacus" as OnnxDevice })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("abacus"),
    });
  });

  it.skipIf(process.platform === "darwin")("says that CoreML needs macOS", async () => {
    await expect(createOnnxRuntime({ device: "coreml" })).rejects.toMatchObject({
      code: "unsupported",
      hint: expect.stringContaining("macOS"),
    });
  });

  it.skipIf(process.platform === "win32")("says that DirectML needs Windows", async () => {
    await expect(createOnnxRuntime({ device: "directml" })).rejects.toMatchObject({
      code: "unsupported",
      hint: expect.stringContaining("Windows"),
    });
  });
});

describe("probeDevices", () => {
  it("tells of every device whether it is there, or why not", async () => {
    const devices = await probeDevices();
    expect(devices.map(({ device }) => device)).toEqual(["cpu", "webgpu", "coreml", "directml"]);
    expect(devices[0]).toMatchObject({ available: true, precisions: ["float32", "float16"] });
    for (const { available, reason, precisions } of devices) {
      expect(reason === undefined).toBe(available);
      expect(precisions.length > 0).toBe(available);
    }
  });
});

describe("loadOrt", () => {
  it("explains a missing package or native library", async () => {
    const specifier = new URL("./fixtures/absent.js", import.meta.url).href;
    await expect(loadOrt(specifier)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining(`${process.platform}-${process.arch}`),
      hint: expect.stringContaining("npm install onnxruntime-node"),
    });
  });
});
