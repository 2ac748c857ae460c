import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensor } from "@ls/core";
import { encodeOnnx } from "@ls/testing";
import { runtimeConformance } from "@ls/testing/conformance";
import { afterAll, describe, expect, it, vi } from "vitest";
import { createOpenVinoRuntime, probeOpenVino } from "../src/index.ts";

// What is compiled here is not for the user's cache.
const cache = await mkdtemp(join(tmpdir(), "openvino-runtime-"));
vi.stubEnv("XDG_CACHE_HOME", cache);
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

const openVino = await probeOpenVino();
const title = (what: string): string =>
  openVino.reason === undefined ? what : `${what} (skipped: ${openVino.reason})`;

runtimeConformance("openvino", () => createOpenVinoRuntime({ threads: 1 }), {
  skip: openVino.reason,
  narrowInt64: "OpenVINO's CPU device computes int64 in 32 bits",
});

describe.skipIf(!openVino.available)(title("int64 on openvino"), () => {
  it("passes values of 32 bits, and refuses wider ones instead of cutting them", async () => {
    await using runtime = await createOpenVinoRuntime({ threads: 1 });
    const bytes = encodeOnnx({
      inputs: [{ name: "x", dtype: "int64", dims: [2] }],
      outputs: [{ name: "y", dtype: "int64", dims: [2] }],
      nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
    });
    await using session = await runtime.createSession({ bytes });
    const x = tensor("int64", [2], BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n));
    expect((await session.run({ x }))["y"]).toEqual(x);
    const wide = tensor("int64", [2], BigInt64Array.of(0n, 2n ** 40n));
    await expect(session.run({ x: wide })).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("1099511627776"),
    });
  });
});

describe("createOpenVinoRuntime", () => {
  it.each([0, -1, 1.5, Number.NaN])("refuses %s threads", async (threads) => {
    await expect(createOpenVinoRuntime({ threads })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(String(threads)),
    });
  });
});

describe("probeOpenVino", () => {
  it("gives a release and a path exactly where it can be used, and else a reason", () => {
    expect(openVino.version !== undefined).toBe(openVino.available);
    expect(openVino.path !== undefined).toBe(openVino.available);
    expect(openVino.reason === undefined).toBe(openVino.available);
    expect(openVino.precisions.includes("float32")).toBe(openVino.available);
  });
});
