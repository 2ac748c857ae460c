import { float32 } from "@ls/core";
import { encodeGraph, Graph } from "@ls/models";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import { describe, expect, it } from "vitest";
import { countedRuntime } from "../src/counted-runtime.ts";
import { measurePeak } from "../src/peak.ts";

const signal = new AbortController().signal;

/** `x [rows, 4]` times a constant `[4, 3]`, through an operator of the caller's. */
async function product(operator: string): Promise<{ bytes: Uint8Array }> {
  const graph = new Graph({ name: "product", opset: 20 });
  const x = graph.input("x", "float32", ["rows", 4]);
  const weight = graph.constant(
    "float32",
    [4, 3],
    Float32Array.from({ length: 12 }, () => 1),
  );
  graph.output("y", graph.op(operator, [graph.op("MatMul", [x, weight])]), ["rows", 3]);
  return { bytes: await encodeGraph(graph) };
}

const rows = (count: number) => ({ x: float32([count, 4], new Float32Array(4 * count)) });

describe("a counted runtime", () => {
  it("adds up what its networks are asked for, by the shapes of their inputs", async () => {
    await using runtime = await createOnnxRuntime({ device: "cpu" });
    const counted = countedRuntime(runtime);
    await using session = await counted.runtime.createSession(await product("Sigmoid"));
    await session.run(rows(2));
    await session.run(rows(5));
    await session.run(rows(5));
    expect(counted.takeMultiplyAdds()).toBe(12 * 12);
    expect(counted.takeMultiplyAdds()).toBe(0);
  });

  it("says that it does not know where a graph cannot be counted", async () => {
    await using runtime = await createOnnxRuntime({ device: "cpu" });
    const counted = countedRuntime(runtime);
    await using session = await counted.runtime.createSession(await product("Softsign"));
    const { y } = await session.run(rows(1));
    expect(y?.dims).toEqual([1, 3]);
    expect(counted.takeMultiplyAdds()).toBeUndefined();
    expect(counted.takeMultiplyAdds()).toBe(0);
  });
});

describe("the measured peak", () => {
  it("is that of the matrices that reach it", async () => {
    await using runtime = await createOnnxRuntime({ device: "cpu" });
    const peak = await measurePeak({ runtime, precision: "float32", signal, sides: [64, 128] });
    expect(peak.flopsPerSecond).toBeGreaterThan(1e6);
    expect([64, 128]).toContain(peak.side);
  });

  it("stops when it is aborted", async () => {
    await using runtime = await createOnnxRuntime({ device: "cpu" });
    const aborted = AbortSignal.abort(new Error("enough"));
    const peak = measurePeak({ runtime, precision: "float32", signal: aborted, sides: [64] });
    await expect(peak).rejects.toThrow("enough");
  });
});
