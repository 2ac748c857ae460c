import { float32, LatentSyncError, type RuntimeCapabilities } from "@ls/core";
import { encodeOnnx } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { HostedRuntime } from "../src/hosted-runtime.ts";
import { createOnnxRuntime } from "../src/index.ts";
import { WorkerHost } from "../src/worker-host.ts";

const CAPABILITIES: RuntimeCapabilities = {
  device: "cpu",
  profile: "cpu",
  precisions: ["float32"],
};

function fixture(name: string): URL {
  return new URL(`./fixtures/${name}`, import.meta.url);
}

const NEGATE = encodeOnnx({
  inputs: [{ name: "x", dtype: "float32", dims: ["n"] }],
  outputs: [{ name: "y", dtype: "float32", dims: ["n"] }],
  nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"] }],
});

describe("a worker that ends", () => {
  it("rejects what is pending and what follows, and can be closed", async () => {
    const host = new WorkerHost(fixture("crashing.worker.ts"));
    expect(await host.open()).toEqual(["cpu"]);
    const runtime = new HostedRuntime({
      name: "crashing",
      capabilities: CAPABILITIES,
      host,
      sessionOptions: () => ({}),
    });
    const pending = [1, 2, 3].map(() => runtime.createSession({ bytes: NEGATE }));
    for (const creation of pending) {
      await expect(creation).rejects.toMatchObject({
        code: "runtime",
        message: "The inference worker ended with exit code 7.",
      });
    }
    await expect(runtime.createSession({ bytes: NEGATE })).rejects.toMatchObject({
      code: "runtime",
    });
    await runtime[Symbol.asyncDispose]();
    await expect(runtime.createSession({ bytes: NEGATE })).rejects.toMatchObject({
      code: "disposed",
    });
  });

  it("tells why it failed", async () => {
    const host = new WorkerHost(fixture("throwing.worker.ts"));
    const error: unknown = await host.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "runtime",
      message: "The inference worker failed.",
      cause: { message: "no worker today" },
    });
    await host.close();
  });
});

describe("a worker's answers", () => {
  it("carry code, message, hint and cause of an error", async () => {
    await using runtime = await createOnnxRuntime({ threads: 1 });
    const bytes = new Uint8Array(16).fill(0xff);
    const error: unknown = await runtime
      .createSession({ bytes })
      .catch((reason: unknown) => reason);
    expect(LatentSyncError.is(error)).toBe(true);
    expect(error).toMatchObject({
      code: "invalid_model",
      message: expect.stringContaining("a model of 16 bytes"),
      hint: expect.stringContaining("damaged"),
      cause: { message: expect.stringContaining("protobuf") },
    });
  });

  it("are moved, and leave the caller's feeds attached", async () => {
    await using runtime = await createOnnxRuntime({ threads: 1 });
    await using session = await runtime.createSession({ bytes: NEGATE });
    const x = float32([4], Float32Array.of(1, 2, 3, 4));
    const { y } = await session.run({ x });
    expect(y?.data).toEqual(Float32Array.of(-1, -2, -3, -4));
    expect(y?.data.byteLength).toBe(y?.data.buffer.byteLength);
    expect(x.data.buffer.byteLength).toBe(16);
  });
});

describe("a runtime's listeners", () => {
  it("are one per process, and gone with the last runtime", async () => {
    const before = process.listenerCount("exit");
    const runtimes = await Promise.all([1, 2, 3].map(() => createOnnxRuntime({ threads: 1 })));
    expect(process.listenerCount("exit")).toBe(before + 1);
    for (const runtime of runtimes) await runtime[Symbol.asyncDispose]();
    expect(process.listenerCount("exit")).toBe(before);
  });
});
