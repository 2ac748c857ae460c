import { readFileSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { float32 } from "@ls/core";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { fromFloat16Bits, toFloat16Bits } from "../src/graph/half.ts";
import {
  encodeGraph,
  float,
  Graph,
  type Initializer,
  type Value,
  writeGraph,
  writeGraphs,
} from "../src/graph/index.ts";
import { openGraph, randomTensor } from "./graph-session.ts";
import { rejection, thrown, useTemporaryFolder } from "./temporary-folder.ts";

const folder = useTemporaryFolder();

function newGraph(): { graph: Graph; x: Value } {
  const graph = new Graph({ name: "test", opset: 20 });
  return { graph, x: graph.input("x", "float32", ["n", 4]) };
}

function weight(name: string, shape: readonly number[], value = 1): Initializer {
  const count = shape.reduce((a, b) => a * b, 1);
  return {
    name,
    dtype: "float32",
    shape,
    load: () => Promise.resolve(new Float32Array(count).fill(value)),
  };
}

/** A graph that multiplies by weights in turn. */
function weightedGraph(names: readonly string[], rows = 4): Graph {
  const { graph, x } = newGraph();
  let y = x;
  for (const name of names) {
    y = graph.op("Mul", [y, graph.initializer(weight(name, [rows, 4], 2))]);
  }
  graph.output("y", y, ["n", 4]);
  return graph;
}

interface External {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Where a model's initializers lie outside of it, read back from the protobuf. */
function externalData(path: string): Map<string, External> {
  const fields = (bytes: Uint8Array): [number, Uint8Array | undefined][] => {
    const reader = new BinaryReader(bytes);
    const result: [number, Uint8Array | undefined][] = [];
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (type === WireType.LengthDelimited) result.push([field, reader.bytes()]);
      else {
        reader.skip(type);
        result.push([field, undefined]);
      }
    }
    return result;
  };
  const children = (bytes: Uint8Array, field: number): Uint8Array[] =>
    fields(bytes).flatMap(([number, child]) => (number === field && child ? [child] : []));
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes!).toString();
  const [graph] = children(readFileSync(path), 7);
  const found = new Map<string, External>();
  for (const tensor of children(graph!, 5)) {
    const entries = Object.fromEntries(
      children(tensor, 13).map((entry) => [
        text(children(entry, 1)[0]),
        text(children(entry, 2)[0]),
      ]),
    );
    if (entries["location"] === undefined) continue;
    found.set(text(children(tensor, 8)[0]), {
      location: entries["location"],
      offset: Number(entries["offset"]),
      length: Number(entries["length"]),
    });
  }
  return found;
}

describe("Graph", () => {
  it("names outputs of modules by their path, and inner values below it", () => {
    const { graph, x } = newGraph();
    const output = graph.module("block", () => {
      const inner = graph.module("block.layer", () => graph.op("Relu", [graph.op("Neg", [x])]));
      return graph.op("Add", [inner, x]);
    });
    expect(graph.nodes.map((node) => node.outputs[0]!.name)).toEqual([
      "block.layer.Neg",
      "block.layer",
      "block",
    ]);
    expect(graph.modules.get("block")).toBe(output);
  });

  it("keeps the innermost name where modules share their output", () => {
    const { graph, x } = newGraph();
    graph.module("outer", () => graph.module("outer.inner", () => graph.op("Relu", [x])));
    expect(graph.nodes[0]!.outputs[0]!.name).toBe("outer.inner");
    expect(graph.modules.get("outer")).toBe(graph.modules.get("outer.inner"));
  });

  it("lets an output take the name of another value", async () => {
    const { graph, x } = newGraph();
    const hidden = graph.module("y", () => graph.op("Neg", [x]));
    graph.output("y", graph.op("Neg", [hidden]));
    await using session = await openGraph(graph);
    const feed = randomTensor([2, 4], 1);
    expect((await session.run({ x: feed }))["y"]!.data).toEqual(feed.data);
  });

  it("shares equal constants and initializers of one name", () => {
    const { graph } = newGraph();
    expect(graph.integers([1, 2])).toBe(graph.integers([1, 2]));
    expect(graph.integers([1, 2])).not.toBe(graph.integers([2, 1]));
    expect(graph.initializer(weight("w", [4]))).toBe(graph.initializer(weight("w", [4])));
  });

  it("refuses names that are taken and constants of the wrong size", () => {
    const { graph, x } = newGraph();
    expect(thrown(() => graph.input("x", "float32", [1])).code).toBe("invalid_argument");
    expect(thrown(() => graph.output("x", x)).message).toContain("already has a value named x");
    graph.output("y", graph.op("Neg", [x]));
    expect(thrown(() => graph.output("y", x)).code).toBe("invalid_argument");
    const wrong = (): unknown => graph.constant("float32", [3], new Float32Array(2));
    expect(thrown(wrong).message).toContain("[3]");
    expect(thrown(() => graph.op("Neg", [])).message).toContain("needs a dtype");
  });

  it("encodes every kind of attribute, optional inputs and opsets so that a runtime agrees", async () => {
    const { graph, x } = newGraph();
    const clipped = graph.op("Clip", [
      x,
      undefined,
      graph.constant("float32", [], Float32Array.of(0.5)),
    ]);
    const leaky = graph.op("LeakyRelu", [clipped], { attributes: { alpha: float(0.25) } });
    const cube = graph.op("Unsqueeze", [leaky, graph.integers([0])]);
    const turned = graph.op("Transpose", [cube], { attributes: { perm: [0, 2, 1] } });
    const padded = graph.op("Pad", [turned, graph.integers([0, 0, 0, 0, 0, 1])], {
      attributes: { mode: "edge" },
    });
    const fused = graph.op("QuickGelu", [padded], {
      domain: "com.microsoft",
      attributes: { alpha: float(1) },
    });
    graph.output("y", fused);
    expect([...graph.opsets]).toEqual([
      ["", 20],
      ["com.microsoft", 1],
    ]);
    await using session = await openGraph(graph);
    const feed = float32([1, 4], Float32Array.of(-1, 0.25, 0.5, 2));
    const { y } = await session.run({ x: feed });
    expect(y!.dims).toEqual([1, 4, 2]);
    const expected = [-0.25, 0.25, 0.5, 0.5].flatMap((v) => [
      v / (1 + Math.exp(-v)),
      v / (1 + Math.exp(-v)),
    ]);
    expect([...y!.data]).toEqual(expected.map((v) => expect.closeTo(v, 6)));
  });
});

describe("writeGraphs", () => {
  it("keeps few weights inside the graph", async () => {
    const directory = folder("inline");
    const path = await writeGraph(weightedGraph(["a", "b"], 1), directory, "small.onnx");
    expect(readdirSync(directory)).toEqual(["small.onnx"]);
    expect(externalData(path).size).toBe(0);
    const session = await InferenceSession.create(path);
    expect(session.inputMetadata[0]).toMatchObject({ name: "x", type: "float32", shape: ["n", 4] });
    expect(session.outputMetadata[0]).toMatchObject({ name: "y", shape: ["n", 4] });
    await session.release();
  });

  it("stores shared weights once, aligned, in one file beside the graphs", async () => {
    const directory = folder("shared");
    const large = 80_000;
    const progress: number[] = [];
    const [first, second] = await writeGraphs({
      directory,
      dataFileName: "weights.bin",
      graphs: [
        { graph: weightedGraph(["a", "b"], large), fileName: "first.onnx" },
        { graph: weightedGraph(["b", "c"], large), fileName: "second.onnx" },
      ],
      onProgress: (written, total) => progress.push(written / total),
    });
    expect(readdirSync(directory).sort()).toEqual(["first.onnx", "second.onnx", "weights.bin"]);
    const bytes = large * 16;
    const a = externalData(first!);
    const b = externalData(second!);
    expect(a.get("b")).toEqual(b.get("b"));
    const offsets = [a.get("a"), a.get("b"), b.get("c")].map((place) => place!.offset);
    expect(new Set(offsets).size).toBe(3);
    expect(offsets.every((offset) => offset % 4096 === 0)).toBe(true);
    expect([...a.values()].every((place) => place.length === bytes)).toBe(true);
    expect(statSync(join(directory, "weights.bin")).size).toBe(Math.max(...offsets) + bytes);
    expect(progress).toEqual([1, 2, 3].map((count) => expect.closeTo(count / 3, 6)));
    const session = await InferenceSession.create(second!);
    await session.release();
  });

  it("aligns small tensors to 64 bytes and loads one at a time", async () => {
    const graph = newGraph().graph;
    let active = 0;
    let mostActive = 0;
    for (const [index, count] of [3, 300_000, 5, 7].entries()) {
      graph.initializer({
        name: `w${index}`,
        dtype: "float32",
        shape: [count],
        load: async () => {
          mostActive = Math.max(mostActive, ++active);
          await Promise.resolve();
          active--;
          return new Float32Array(count);
        },
      });
    }
    const path = await writeGraph(graph, folder("aligned"), "g.onnx");
    const places = [...externalData(path).values()];
    expect(places.map(({ offset }) => offset)).toEqual([0, 4096, 1_204_096 + 0, 1_204_160]);
    expect(mostActive).toBe(1);
  });

  it("refuses graphs that disagree on a weight, and data of the wrong size", async () => {
    const one = newGraph().graph;
    one.initializer(weight("w", [4]));
    const other = newGraph().graph;
    other.initializer(weight("w", [5]));
    const disagreement = await rejection(
      writeGraphs({
        directory: folder("disagree"),
        graphs: [
          { graph: one, fileName: "one.onnx" },
          { graph: other, fileName: "other.onnx" },
        ],
      }),
    );
    expect(disagreement.message).toContain("float32 [4] and float32 [5]");
    const short = newGraph().graph;
    short.initializer({ ...weight("w", [4]), load: () => Promise.resolve(new Float32Array(3)) });
    const wrong = await rejection(writeGraph(short, folder("short"), "short.onnx"));
    expect(wrong).toMatchObject({ code: "invalid_model" });
    expect(readdirSync(folder("short"))).toEqual([]);
  });

  it("leaves nothing behind when it is aborted", async () => {
    const controller = new AbortController();
    const graph = weightedGraph(["a", "b", "c"], 80_000);
    const writing = writeGraph(graph, folder("aborted"), "g.onnx", {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await expect(writing).rejects.toThrow("enough");
    expect(readdirSync(folder("aborted"))).toEqual([]);
  });

  it.skipIf(process.platform !== "linux")("says so when the disk is full", async () => {
    const directory = folder("full");
    await writeGraph(weightedGraph(["a"], 1), directory, "other.onnx");
    symlinkSync("/dev/full", join(directory, "g.onnx.data"));
    const error = await rejection(writeGraph(weightedGraph(["a"], 80_000), directory, "g.onnx"));
    expect(error.code).toBe("disk_full");
    expect(readdirSync(directory)).toEqual(["other.onnx"]);
  });

  it("reports a folder that cannot be written", async () => {
    const directory = folder("file");
    await writeGraph(weightedGraph(["a"], 1), directory, "graph.onnx");
    const error = await rejection(
      writeGraph(weightedGraph(["a"], 1), join(directory, "graph.onnx"), "g.onnx"),
    );
    expect(error.code).toBe("io");
  });

  it("encodes without files", async () => {
    const session = await InferenceSession.create(await encodeGraph(weightedGraph(["a"], 1)));
    expect(session.outputNames).toEqual(["y"]);
    await session.release();
  });
});

describe("half precision", () => {
  it("keeps every half as it is", () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, index) => index).filter(
      (bits) => (bits & 0x7c00) !== 0x7c00 || (bits & 0x3ff) === 0,
    );
    expect(toFloat16Bits(fromFloat16Bits(halves))).toEqual(halves);
  });

  it("rounds to the nearest, ties to even, as the definition says", () => {
    const halves = fromFloat16Bits(Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits));
    const middles = Float32Array.from(
      { length: 0x7bff },
      (_, bits) => (halves[bits]! + halves[bits + 1]!) / 2,
    );
    const even = Uint16Array.from({ length: 0x7bff }, (_, bits) => bits + (bits % 2));
    expect(toFloat16Bits(middles)).toEqual(even);
    const nudge = (factor: number): Float32Array => middles.map((middle) => middle * (1 + factor));
    const lower = Uint16Array.from({ length: 0x7bff }, (_, bits) => bits);
    expect(toFloat16Bits(nudge(-2e-7))).toEqual(lower);
    expect(toFloat16Bits(nudge(2e-7))).toEqual(lower.map((bits) => bits + 1));
    expect(toFloat16Bits(middles.map((middle) => -middle))).toEqual(
      even.map((bits) => bits | 0x8000),
    );
  });

  it("handles what is too large, too small or no number", () => {
    const bits = toFloat16Bits(
      Float32Array.of(
        65_519,
        65_520,
        1e30,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        1e-30,
        -1e-30,
        2 ** -25,
        Number.NaN,
      ),
    );
    expect([...bits]).toEqual([0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0, 0x8000, 0, 0x7e00]);
    expect(fromFloat16Bits(Uint16Array.of(0x7c00, 0xfc00, 0x7e00))).toEqual(
      Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN),
    );
  });
});
