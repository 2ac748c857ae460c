/** WebGPU on the machine's GPU or, where there is none, on a Vulkan device in software. */
import { fileURLToPath } from "node:url";
import { runProgram, useSoftwareVulkan } from "@ls/testing";
import { runtimeConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";
import { createOnnxRuntime, probeDevices } from "../src/index.ts";

const isEmulated = useSoftwareVulkan();
const webgpu = (await probeDevices()).find(({ device }) => device === "webgpu");

runtimeConformance("webgpu", () => createOnnxRuntime({ device: "webgpu", threads: 1 }), {
  skip: webgpu?.reason,
  isEmulated,
});

const program = fileURLToPath(new URL("fixtures/process.ts", import.meta.url));
const reason = webgpu?.reason === undefined ? "" : ` (skipped: ${webgpu.reason})`;

describe.skipIf(reason !== "")(`a process that used WebGPU${reason}`, () => {
  it.each([
    { ending: "disposed", expected: 0 },
    { ending: "left open", expected: 0 },
    { ending: "exit when idle", expected: 5 },
  ])("ends with $expected: $ending", async ({ ending, expected }) => {
    const { code, signal, errors } = await runProgram(program, [ending, "worker", "webgpu"]);
    expect({ code, signal }, errors).toEqual({ code: expected, signal: null });
  });
});
