import { type GraphProfile, LatentSyncError } from "@ls/core";
import { describe, expect, it } from "vitest";
import {
  publishedUNetConfigs,
  publishedWhisperDims,
  sdVaeFtMseConfig,
} from "../src/checkpoint/published-configs.ts";
import { createRandomTensors } from "../src/checkpoint/random-tensors.ts";
import { openWorkCounter } from "../src/graph/count-work.ts";
import { Graph } from "../src/graph/graph.ts";
import { encodeModel } from "../src/graph/model-proto.ts";
import { encodeGraph } from "../src/graph/write-graph.ts";
import {
  buildUNet,
  buildVaeDecoder,
  buildVaeEncoder,
  buildWhisperEncoder,
  expectedUNetTensors,
} from "../src/networks/index.ts";

/** A graph's file whose weights would be in another file: nothing of them is needed. */
function withoutWeights(graph: Graph): { bytes: Uint8Array } {
  const elsewhere = [...graph.initializers.keys()].map(
    (name) => [name, { file: "weights", offset: 0, length: 0 }] as const,
  );
  return { bytes: encodeModel(graph, new Map(elsewhere)) };
}

const UNET_256 = {
  sample: [1, 13, 16, 32, 32],
  timestep: [1],
  encoder_hidden_states: [16, 50, 384],
};

async function unetWork(profile: GraphProfile, inputs = UNET_256): Promise<number> {
  const { model } = publishedUNetConfigs.stage2;
  const tensors = createRandomTensors(expectedUNetTensors(model), { seed: 0 });
  const graph = buildUNet(model, tensors, { profile, precision: "float32", resolution: 256 });
  return (await openWorkCounter(withoutWeights(graph))).count(inputs).multiplyAdds;
}

describe("the work of a graph", () => {
  it("is that of its products, convolutions and attention, whatever the shapes", async () => {
    const graph = new Graph({ name: "small", opset: 20 });
    const x = graph.input("x", "float32", ["images", 3, 8, 8]);
    const weight = graph.constant("float32", [5, 3, 3, 3], new Float32Array(135));
    const features = graph.op("Conv", [x, weight], {
      attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    });
    const tokens = graph.op("Reshape", [features, graph.integers([0, 5, -1])]);
    const turned = graph.op("Transpose", [tokens], { attributes: { perm: [0, 2, 1] } });
    const scores = graph.op("MatMul", [turned, tokens]);
    const mixed = graph.op("MultiHeadAttention", [scores, turned, turned], {
      domain: "com.microsoft",
      attributes: { num_heads: 1 },
    });
    graph.output("y", mixed, ["images", 16, 5]);
    const counter = await openWorkCounter({ bytes: await encodeGraph(graph) });
    const one = { Conv: 5 * 16 * 27, MatMul: 16 * 16 * 5, attention: 16 * 16 * (16 + 5) };
    expect(counter.count({ x: [1, 3, 8, 8] }).byOperator).toEqual({
      Conv: one.Conv,
      MatMul: one.MatMul,
      "com.microsoft.MultiHeadAttention": one.attention,
    });
    const three = counter.count({ x: [3, 3, 8, 8] }).multiplyAdds;
    expect(three).toBe(3 * (one.Conv + one.MatMul + one.attention));
  });

  it("names the operator that it does not know", async () => {
    const graph = new Graph({ name: "odd", opset: 20 });
    graph.output("y", graph.op("NonZero", [graph.input("x", "float32", [2])], { dtype: "int64" }));
    const counter = await openWorkCounter({ bytes: await encodeGraph(graph) });
    expect(() => counter.count({ x: [2] })).toThrow("NonZero");
  });

  it("refuses what is no graph", async () => {
    const bytes = new TextEncoder().encode("no model at all");
    const error = await openWorkCounter({ bytes }).catch((reason: unknown) => reason);
    expect(LatentSyncError.is(error) && error.code).toBe("invalid_model");
  });
});

describe("the work of LatentSync at 256 pixels", () => {
  // Counted on the official modules: 2.03 T multiply-adds for 16 frames of one branch, 126.6 G a frame.
  it.each(["cpu", "cuda", "webgpu", "tensorrt"] as const)(
    "is the official UNet's, in the graph for %s",
    async (profile) => {
      expect((await unetWork(profile)) / 1e12).toBeCloseTo(2.03, 1);
    },
  );

  it("grows with the batch", async () => {
    const double = {
      ...UNET_256,
      sample: [2, 13, 16, 32, 32],
      encoder_hidden_states: [32, 50, 384],
    };
    const ratio = (await unetWork("cpu", double)) / (await unetWork("cpu"));
    expect(ratio).toBeCloseTo(2, 4);
  });

  it("is the official VAE's: 584 G for two encodes and one decode", async () => {
    const options = { profile: "cpu", precision: "float32", resolution: 256 } as const;
    const encoder = withoutWeights(buildVaeEncoder(sdVaeFtMseConfig, undefined, options));
    const decoder = withoutWeights(buildVaeDecoder(sdVaeFtMseConfig, undefined, options));
    const encode = (await openWorkCounter(encoder)).count({ image: [1, 3, 256, 256] });
    const decode = (await openWorkCounter(decoder)).count({ latents: [1, 4, 32, 32] });
    expect((2 * encode.multiplyAdds + decode.multiplyAdds) / 1e9).toBeCloseTo(584, -1);
  });

  it("can be told of the Whisper encoder", async () => {
    const options = { profile: "cpu", precision: "float32" } as const;
    const graph = withoutWeights(
      buildWhisperEncoder(publishedWhisperDims.tiny, undefined, options),
    );
    const { multiplyAdds } = (await openWorkCounter(graph)).count({ mel: [1, 80, 3000] });
    expect(multiplyAdds / 1e9).toBeGreaterThan(10);
  });
});
