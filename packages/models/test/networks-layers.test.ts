/** Single layers of every profile, as definitions where the CPU lacks a kernel, against plain code. */
import { type GraphProfile, type Tensor, float32 } from "@ls/core";
import { assertClose } from "@ls/testing";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { createRandomTensors, type TensorSource } from "../src/checkpoint/index.ts";
import { encodeGraph, type Graph, type Value } from "../src/graph/index.ts";
import { type BuildOptions, createNetwork } from "../src/networks/build-options.ts";
import type { Network } from "../src/networks/network.ts";
import { nhwcSkipGroupNorm } from "../src/networks/profiles/contrib.ts";
import type { FeatureMap } from "../src/networks/profiles/emitters.ts";
import { emittersOf } from "../src/networks/profiles/index.ts";
import { openGraph, randomTensor } from "./graph-session.ts";
import * as plain from "./layer-reference.ts";
import { thrown } from "./temporary-folder.ts";

const PROFILES: readonly GraphProfile[] = ["cpu", "tensorrt", "webgpu", "cuda"];
const TOLERANCE = 2e-5;

interface BuiltLayer {
  readonly graph: Graph;
  readonly source: TensorSource;
}

/** A graph of one layer with random weights. */
function buildLayer(options: BuildOptions, build: (net: Network) => Value): BuiltLayer {
  const dry = createNetwork("layer", undefined, options);
  build(dry);
  const source = createRandomTensors(dry.weights.declared, { seed: 3 });
  const net = createNetwork("layer", source, options);
  net.graph.output("y", build(net));
  return { graph: net.graph, source };
}

function expanded(profile: GraphProfile): BuildOptions {
  return { profile, precision: "float32", expandFused: true };
}

async function runLayer(
  profile: GraphProfile,
  feeds: Readonly<Record<string, Tensor>>,
  build: (net: Network, inputs: Readonly<Record<string, Value>>) => Value,
): Promise<{ y: Tensor; source: TensorSource }> {
  const { graph, source } = buildLayer(expanded(profile), (net) => {
    const inputs = Object.entries(feeds).map(([name, { dims }]) => [
      name,
      net.graph.input(name, "float32", [`${name}_count`, ...dims.slice(1)]),
    ]);
    return build(net, Object.fromEntries(inputs) as Record<string, Value>);
  });
  await using session = await openGraph(graph);
  const { y } = await session.run(feeds);
  return { y: y!, source };
}

/** Runs a layer from feature map to feature map on `[images, channels, height, width]`. */
function runImageLayer(
  profile: GraphProfile,
  x: Tensor,
  build: (net: Network, x: FeatureMap, extra: Readonly<Record<string, Value>>) => FeatureMap,
  extra: Readonly<Record<string, Tensor>> = {},
): Promise<{ y: Tensor; source: TensorSource }> {
  const [, channels, height, width] = x.dims as [number, number, number, number];
  return runLayer(profile, { x, ...extra }, (net, inputs) => {
    const { layout } = net.emit;
    const images = layout.fromImages(net, inputs["x"]!, { channels, height, width });
    return layout.toImages(net, build(net, images, inputs));
  });
}

function asImages(x: Tensor): plain.Images {
  return { dims: x.dims as plain.Images["dims"], data: x.data as Float32Array };
}

function asTensor({ dims, data }: plain.Images): Tensor {
  return float32(dims, Float32Array.from(data));
}

describe.each(PROFILES)("%s", (profile) => {
  it.each([
    { kernel: 3, stride: 1, pads: [1, 1, 1, 1], named: false },
    { kernel: 3, stride: 2, pads: [1, 1, 1, 1], named: true },
    { kernel: 3, stride: 2, pads: [0, 0, 1, 1], named: true },
    { kernel: 1, stride: 1, pads: [0, 0, 0, 0], named: false },
  ] as const)("convolution $kernel/$stride $pads", async ({ kernel, stride, pads, named }) => {
    const x = randomTensor([2, 3, 8, 6], 1);
    const offset = randomTensor([1, 5], 2);
    const { y, source } = await runImageLayer(
      profile,
      x,
      (net, input, { offset: addend }) =>
        net.convolution(input, {
          path: "conv",
          inChannels: 3,
          outChannels: 5,
          kernel,
          stride,
          addend: addend!,
          ...(named ? { pads: [...pads] } : {}),
        }),
      { offset },
    );
    const bias = (await source.readFloat32("conv.bias")).map(
      (value, index) => value + offset.data[index]!,
    );
    const expected = plain.convolve(asImages(x), await source.readFloat32("conv.weight"), bias, {
      outChannels: 5,
      kernel,
      stride,
      pads,
    });
    assertClose(y, asTensor(expected), TOLERANCE);
  });

  it.each([
    { frames: 1, acrossFrames: false, fixed: false },
    { frames: 3, acrossFrames: true, fixed: false },
    { frames: 3, acrossFrames: true, fixed: true },
    { frames: 1, acrossFrames: true, fixed: true },
  ])("group norm $frames $acrossFrames $fixed", async ({ frames, acrossFrames, fixed }) => {
    const x = randomTensor([6, 8, 4, 2], 4);
    // Means far from zero, as trained networks have them.
    x.data.set(x.data.map((value, index) => value + Math.floor(index / 64) - 2));
    const settings = { groups: 4, epsilon: 1e-5 };
    for (const silu of [false, true]) {
      const { y, source } = await runImageLayer(
        profile,
        x,
        (net, input, { frames: shape }) => {
          net.frames = fixed
            ? frames
            : net.graph.op("Shape", [shape!], {
                attributes: { start: 0, end: 1 },
                dtype: "int64",
              });
          const activation = silu ? ({ activation: "silu" } as const) : {};
          return net.groupNorm(input, { path: "norm", ...settings, acrossFrames, ...activation });
        },
        { frames: float32([frames], new Float32Array(frames)) },
      );
      const weight = await source.readFloat32("norm.weight");
      const bias = await source.readFloat32("norm.bias");
      const expected = plain.groupNorm(asImages(x), weight, bias, { ...settings, frames, silu });
      assertClose(y, asTensor(expected), TOLERANCE);
    }
  });

  it("nearest upsampling to an odd size", async () => {
    const [height, width] = [5, 7];
    const x = randomTensor([2, 3, 3, 4], 1);
    const { y } = await runImageLayer(profile, x, (net, input) =>
      net.crop(net.emit.upsample(net, input), { height, width }),
    );
    // PyTorch's rule: the pixel under the output's, scaled by the ratio of the sizes.
    const expected = Float32Array.from({ length: 2 * 3 * height * width }, (_, index) => {
      const plane = Math.floor(index / (height * width));
      const row = Math.floor((Math.floor(index / width) % height) * (3 / height));
      const column = Math.floor((index % width) * (4 / width));
      return x.data[(plane * 3 + row) * 4 + column]!;
    });
    assertClose(y, float32([2, 3, height, width], expected), 0, "odd size");
  });

  it("nearest upsampling by two", async () => {
    const x = randomTensor([2, 3, 4, 2], 5);
    const { y } = await runImageLayer(profile, x, (net, input) => net.emit.upsample(net, input));
    const expected = Array.from({ length: 2 * 3 * 8 * 4 }, (_, index) => {
      const [plane, row, column] = [Math.floor(index / 32), Math.floor(index / 4) % 8, index % 4];
      return x.data[plane * 8 + Math.floor(row / 2) * 2 + Math.floor(column / 2)] as number;
    });
    assertClose(y, float32([2, 3, 8, 4], Float32Array.from(expected)), 0);
  });

  it.each([
    { sequences: 3, queries: 5, keys: 7, heads: 3, headWidth: 4, known: true },
    { sequences: 4, queries: 6, keys: 6, heads: 2, headWidth: 5, known: false },
    { sequences: 1, queries: 8, keys: 600, heads: 2, headWidth: 4, known: true },
  ])("attention over $keys keys, $heads heads", async ({ known, ...shape }) => {
    const { sequences, queries, keys, heads, headWidth } = shape;
    const width = heads * headWidth;
    const query = randomTensor([sequences, queries, width], 6);
    const key = randomTensor([sequences, keys, width], 7);
    const value = randomTensor([sequences, keys, width], 8);
    const { y } = await runLayer(profile, { query, key, value }, (net, inputs) =>
      net.emit.attention(net, {
        query: inputs["query"]!,
        key: inputs["key"]!,
        value: inputs["value"]!,
        heads,
        headWidth,
        keyCount: known ? keys : undefined,
      }),
    );
    const data = plain.attention(query.data, key.data, value.data, shape);
    assertClose(y, float32(query.dims, Float32Array.from(data)), TOLERANCE);
  });

  it("linear layer, GEGLU and residual", async () => {
    const x = randomTensor([2, 3, 6], 9);
    const { y, source } = await runLayer(profile, { x }, (net, inputs) => {
      const wide = { path: "proj", inWidth: 6, outWidth: 16, bias: true };
      const hidden = net.emit.geglu(net, inputs["x"]!, wide);
      const narrow = { path: "out", inWidth: 8, outWidth: 6, bias: true };
      return net.emit.linearWithResidual(net, hidden, narrow, inputs["x"]!);
    });
    const read = (name: string): Promise<Float32Array> => source.readFloat32(name);
    const input = x.data;
    const both = plain.linear(input, await read("proj.weight"), await read("proj.bias"), 6);
    const hidden = plain.geglu(both, 8);
    const sum = plain.linear(hidden, await read("out.weight"), await read("out.bias"), 8);
    const expected = Float32Array.from(sum, (value, index) => value + input[index]!);
    assertClose(y, float32(x.dims, expected), TOLERANCE);
  });

  it("layer norm, SiLU and GELU", async () => {
    const x = randomTensor([2, 3, 6], 10);
    const { y, source } = await runLayer(profile, { x }, (net, inputs) => {
      const normal = net.normalize(inputs["x"]!, { path: "norm", width: 6 });
      return net.emit.gelu(net, net.emit.silu(net, normal));
    });
    const weight = await source.readFloat32("norm.weight");
    const bias = await source.readFloat32("norm.bias");
    const normal = plain.layerNorm(x.data, weight, bias);
    const expected = normal.map((value) => plain.gelu(value / (1 + Math.exp(-value))));
    assertClose(y, float32(x.dims, Float32Array.from(expected)), TOLERANCE);
  });

  it("tokens of images and of frames, there and back", async () => {
    const video = randomTensor([2, 3, 4, 2, 5], 11);
    const size = { channels: 3, height: 2, width: 5 };
    const { y } = await runLayer(profile, { video }, (net, inputs) => {
      net.frames = net.graph.op("Shape", [inputs["video"]!], {
        attributes: { start: 2, end: 3 },
        dtype: "int64",
      });
      const { layout } = net.emit;
      const frames = layout.fromVideo(net, inputs["video"]!, size);
      const spatial = layout.fromTokens(net, layout.toTokens(net, frames), size);
      const temporal = layout.toFrameTokens(net, spatial);
      return layout.toVideo(net, layout.fromFrameTokens(net, temporal, size));
    });
    assertClose(y, video, 0);
  });

  it("frame tokens hold one pixel over time", async () => {
    const video = randomTensor([2, 3, 4, 2, 5], 12);
    const { y } = await runLayer(profile, { video }, (net, inputs) => {
      net.frames = 4;
      const { layout } = net.emit;
      const frames = layout.fromVideo(net, inputs["video"]!, { channels: 3, height: 2, width: 5 });
      return layout.toFrameTokens(net, frames);
    });
    expect(y.dims).toEqual([20, 4, 3]);
    const at = (batch: number, channel: number, frame: number, pixel: number): unknown =>
      video.data[((batch * 3 + channel) * 4 + frame) * 10 + pixel];
    const expected = Array.from({ length: 240 }, (_, index) => {
      const [row, frame, channel] = [Math.floor(index / 12), Math.floor(index / 3) % 4, index % 3];
      return at(Math.floor(row / 10), channel, frame, row % 10);
    });
    expect([...y.data]).toEqual(expected);
  });
});

describe("fused operators", () => {
  /** What the CPU provider says of a graph whose operators are right but not its own. */
  async function refusal(graph: Graph): Promise<string> {
    return InferenceSession.create(await encodeGraph(graph), { logSeverityLevel: 4 }).then(
      async (session) => {
        await session.release();
        return "accepted";
      },
      (error: unknown) => String(error),
    );
  }

  it.each([
    {
      operator: "GroupNorm",
      profile: "cuda",
      build: (net: Network, x: FeatureMap) =>
        net.groupNorm(x, { path: "n", groups: 32, epsilon: 1e-5, acrossFrames: false }).value,
    },
    {
      operator: "SkipGroupNorm",
      profile: "cuda",
      build: (net: Network, x: FeatureMap) => {
        const skip = net.graph.input("skip", "float32", ["images", 320]);
        const [scale, shift, bias] = ["scale", "shift", "bias"].map((name) =>
          net.weights.tensor(name, [320], { dtype: "float32" }),
        ) as [Value, Value, Value];
        const norm = { channels: 320, groups: 32, epsilon: 1e-5, silu: true };
        return nhwcSkipGroupNorm(net, { x: x.value, skip, bias }, scale, shift, norm);
      },
    },
    {
      operator: "NhwcConv",
      profile: "cuda",
      build: (net: Network, x: FeatureMap) =>
        net.convolution(x, { path: "c", inChannels: 320, outChannels: 8, kernel: 3 }).value,
    },
    {
      operator: "BiasSplitGelu",
      profile: "cuda",
      build: (net: Network, x: FeatureMap) => {
        const tokens = net.emit.layout.toTokens(net, x);
        return net.emit.geglu(net, tokens, { path: "g", inWidth: 320, outWidth: 2560, bias: true });
      },
    },
    {
      operator: "BiasAdd",
      profile: "webgpu",
      build: (net: Network, x: FeatureMap) => {
        const tokens = net.emit.layout.toTokens(net, x);
        const layer = { path: "l", inWidth: 320, outWidth: 320, bias: true };
        return net.emit.linearWithResidual(net, tokens, layer, tokens);
      },
    },
  ] as const)(
    "$operator is known to the runtime with these inputs and attributes",
    async ({ operator, profile, build }) => {
      const { graph } = buildLayer({ profile, precision: "float32" }, (net) => {
        const images = net.graph.input("x", "float32", ["images", 320, 4, 4]);
        const size = { channels: 320, height: 4, width: 4 };
        return build(net, net.emit.layout.fromImages(net, images, size));
      });
      expect(graph.nodes.map((node) => node.type)).toContain(operator);
      // The runtime checks schemas and types before it looks for kernels.
      expect(await refusal(graph)).toMatch(
        new RegExp(`Could not find an implementation for (com\\.microsoft\\.)?${operator}`, "u"),
      );
    },
  );

  it("are left out where no kernel has the width", () => {
    const { graph } = buildLayer({ profile: "webgpu", precision: "float32" }, (net) => {
      const x = net.graph.input("x", "float32", ["n", 3, 64]);
      const wide = { path: "proj", inWidth: 64, outWidth: 512, bias: true };
      const hidden = net.emit.geglu(net, x, wide);
      const narrow = { path: "out", inWidth: 256, outWidth: 64, bias: true };
      return net.emit.linearWithResidual(net, hidden, narrow, x);
    });
    expect([...graph.opsets.keys()]).toEqual([""]);
  });

  it("refuses a profile that does not exist", () => {
    const error = thrown(() => emittersOf("tpu" as GraphProfile));
    expect(error).toMatchObject({ code: "unsupported" });
    expect(error.hint).toContain("tensorrt");
  });
});
