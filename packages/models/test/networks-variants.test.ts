/** Networks of many small configurations with random weights. */
import { type GraphProfile, type Tensor, float32 } from "@ls/core";
import { assertClose, difference } from "@ls/testing";
import { describe, expect, it } from "vitest";
import {
  createRandomTensors,
  publishedUNetConfigs,
  publishedWhisperDims,
  sdVaeFtMseConfig,
  type TensorSource,
  type UNetModelConfig,
  type VaeConfig,
} from "../src/checkpoint/index.ts";
import { type Graph, writeGraphs } from "../src/graph/index.ts";
import {
  buildUNet,
  buildVaeDecoder,
  buildVaeEncoder,
  buildWhisperEncoder,
  expectedUNetTensors,
  expectedVaeTensors,
  expectedWhisperTensors,
  type UNetOptions,
} from "../src/networks/index.ts";
import { openGraph as load, randomTensor, temporaryFolder, TestSession } from "./graph-session.ts";
import * as plain from "./layer-reference.ts";
import {
  noise,
  SMALL,
  BUILD_OPTIONS,
  unetFeeds,
  type UNetFeeds,
  unetSource,
} from "./small-unet.ts";
import { thrown } from "./temporary-folder.ts";

const PUBLISHED = publishedUNetConfigs.stage2.model;
const MOTION = SMALL.motionModule;

const VARIANTS: Readonly<Record<string, Partial<UNetModelConfig>>> = {
  "as published": {},
  "motion in decoder and mid block": { motionModuleDecoderOnly: true, motionModuleMidBlock: true },
  "motion at one resolution": { motionModuleResolutions: [4] },
  "no motion, norms per frame": { useMotionModule: false, useInflatedGroupnorm: true },
  "no audio layer": { addAudioLayer: false },
  "heads that do not divide the channels": { attentionHeadDim: [3, 5] },
  "time as scale and shift": { resnetTimeScaleShift: "scale_shift" },
  "linear projections": { useLinearProjection: true },
  "other embeddings, input and mid block scale": {
    centerInputSample: true,
    flipSinToCos: false,
    freqShift: 1,
    midBlockScaleFactor: 2,
    normEps: 1e-3,
  },
  "more layers, other motion": {
    layersPerBlock: 2,
    motionModule: {
      ...MOTION,
      numAttentionHeads: 2,
      numTransformerBlock: 2,
      attentionBlockTypes: ["Temporal_Self"],
      temporalPositionEncoding: false,
      temporalAttentionDimDiv: 2,
    },
  },
  "odd widths": {
    useMotionModule: false,
    blockOutChannels: [33, 45],
    normNumGroups: 3,
    attentionHeadDim: [3, 3],
    inChannels: 5,
    outChannels: 3,
  },
  "three blocks": {
    attentionHeadDim: [2, 4, 8],
    blockOutChannels: [32, 32, 64],
    downBlockTypes: ["DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"],
    upBlockTypes: ["CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"],
  },
};

function configOf(variant: Partial<UNetModelConfig>): UNetModelConfig {
  return { ...SMALL, ...variant };
}

function unetGraph(config: UNetModelConfig, options: Partial<UNetOptions> = {}): Graph {
  return buildUNet(config, unetSource(config), { ...BUILD_OPTIONS, ...options });
}

/** Many graphs, so loaded quickly; golden data runs with all optimizations. */
function openGraph(graph: Graph): Promise<TestSession> {
  return load(graph, "basic");
}

/** Frames of `[batch, channels, frames, height, width]` in another order, or some of them. */
function pickFrames(tensor: Tensor, order: readonly number[]): Tensor<"float32"> {
  const [batch = 0, channels = 0, frames = 0, height = 0, width = 0] = tensor.dims;
  const size = height * width;
  const data = new Float32Array(batch * channels * order.length * size);
  for (let plane = 0; plane < batch * channels; plane++) {
    for (const [to, from] of order.entries()) {
      const start = (plane * frames + from) * size;
      const part = (tensor.data as Float32Array).subarray(start, start + size);
      data.set(part, (plane * order.length + to) * size);
    }
  }
  return float32([batch, channels, order.length, height, width], data);
}

/** The same for feeds of one batch. */
function pickFeeds(feeds: UNetFeeds, order: readonly number[]): UNetFeeds {
  const { sample, encoder_hidden_states: audio } = feeds;
  const [, tokens = 0, width = 0] = audio.dims;
  const size = tokens * width;
  const data = new Float32Array(order.length * size);
  for (const [to, from] of order.entries()) {
    data.set(audio.data.subarray(from * size, (from + 1) * size), to * size);
  }
  return {
    ...feeds,
    sample: pickFrames(sample, order),
    encoder_hidden_states: float32([order.length, tokens, width], data),
  };
}

describe("expected tensors", () => {
  const count = (table: ReadonlyMap<string, readonly number[]>): number =>
    [...table].reduce(
      // Position tables are buffers, not parameters.
      (sum, [name, shape]) => sum + (name.endsWith(".pe") ? 0 : shape.reduce((a, b) => a * b, 1)),
      0,
    );

  it("are 1,246 of 1,267,099,844 parameters for the UNet of stage2", () => {
    const table = expectedUNetTensors(publishedUNetConfigs.stage2.model);
    expect(table.size).toBe(1246);
    expect(count(table)).toBe(1_267_099_844);
    expect(table.get("conv_in.weight")).toEqual([320, 13, 3, 3]);
    expect(
      table.get(
        "up_blocks.3.motion_modules.2.temporal_transformer.transformer_blocks.0.attention_blocks.1.pos_encoder.pe",
      ),
    ).toEqual([1, 24, 320]);
  });

  it("are the same at 512, and fewer with motion in the decoder only", () => {
    const { stage2, stage2_512: large, stage2_efficient: efficient } = publishedUNetConfigs;
    expect(expectedUNetTensors(large.model)).toEqual(expectedUNetTensors(stage2.model));
    const names = [...expectedUNetTensors(efficient.model).keys()];
    expect(names.filter((name) => name.includes("motion_modules"))).toSatisfy(
      (found: string[]) => found.length > 0 && found.every((name) => name.startsWith("up_blocks.")),
    );
  });

  it("are 83,653,863 parameters for the VAE and the encoder's for Whisper", () => {
    const vae = expectedVaeTensors(sdVaeFtMseConfig);
    expect(vae.size).toBe(248);
    expect(count(vae)).toBe(83_653_863);
    const whisper = expectedWhisperTensors(publishedWhisperDims.tiny);
    expect(whisper.get("encoder.ln_post.weight")).toEqual([384]);
    expect(whisper.has("encoder.blocks.3.attn.key.bias")).toBe(false);
    expect(whisper.size).toBe(67);
  });

  it("follow the configuration", () => {
    const names = (variant: Partial<UNetModelConfig>): string[] => [
      ...expectedUNetTensors(configOf(variant)).keys(),
    ];
    const has = (variant: Partial<UNetModelConfig>, part: string): boolean =>
      names(variant).some((name) => name.includes(part));
    expect(has({}, "attn2")).toBe(true);
    expect(has({ addAudioLayer: false }, "attn2")).toBe(false);
    expect(has({}, "mid_block.motion_modules")).toBe(false);
    expect(has({ motionModuleMidBlock: true }, "mid_block.motion_modules.0")).toBe(true);
    expect(has({ resnetTimeScaleShift: "scale_shift" }, "double_len_linear")).toBe(true);
    expect(has({ useMotionModule: false }, "motion_modules")).toBe(false);
    const only = names({ motionModuleResolutions: [8] }).filter((n) =>
      n.includes("motion_modules"),
    );
    expect(only.every((name) => name.startsWith("up_blocks.0."))).toBe(true);
  });
});

describe.each(Object.entries(VARIANTS))("UNet, %s", (_name, variant) => {
  const config = configOf(variant);

  it("is the same in every layout, symbolic or static, whole or by DeepCache's parts", async () => {
    await using folder = await temporaryFolder();
    const source = unetSource(config);
    const build = (options: Partial<UNetOptions>): Graph =>
      buildUNet(config, source, { ...BUILD_OPTIONS, ...options });
    const paths = await writeGraphs({
      directory: folder.path,
      graphs: [
        { fileName: "full.onnx", graph: build({ kind: "unet_deepcache_full" }) },
        { fileName: "shallow.onnx", graph: build({ kind: "unet_deepcache_shallow" }) },
        { fileName: "static.onnx", graph: build({ batch: 2, frames: 3 }) },
      ],
    });
    const feeds = unetFeeds(config, { batch: 2, frames: 3 });
    await using full = await TestSession.open(paths[0]!, "basic");
    const { noise_pred: expected, deep_features: deep } = await full.run(feeds);
    expect(expected!.dims).toEqual([2, config.outChannels, 3, 8, 8]);
    await using shallow = await TestSession.open(paths[1]!, "basic");
    const skipped = await noise(shallow, { ...feeds, deep_features: deep! });
    assertClose(skipped, expected!, 1e-5, "shallow");
    await using fixed = await TestSession.open(paths[2]!, "basic");
    assertClose(await noise(fixed, feeds), expected!, 1e-5, "static");
    await using cuda = await openGraph(build({ profile: "cuda", expandFused: true }));
    assertClose(await noise(cuda, feeds), expected!, 2e-5, "cuda");
  });
});

describe("UNet", () => {
  it("takes 1, 5 and 24 frames, and one or two of a batch, by one graph", async () => {
    await using session = await openGraph(unetGraph(SMALL));
    for (const frames of [1, 5, 24]) {
      const feeds = unetFeeds(SMALL, { frames });
      const output = await noise(session, feeds);
      expect(output.dims).toEqual([1, 4, frames, 8, 8]);
      const { sample, encoder_hidden_states: audio } = feeds;
      const twice = (tensor: Tensor<"float32">): Tensor<"float32"> =>
        float32(
          [tensor.dims[0]! * 2, ...tensor.dims.slice(1)],
          Float32Array.of(...tensor.data, ...tensor.data),
        );
      const both = await noise(session, {
        ...feeds,
        sample: twice(sample),
        encoder_hidden_states: twice(audio),
      });
      assertClose(both, twice(output as Tensor<"float32">), 1e-5, `${frames} frames`);
    }
  });

  it("takes latents that halve to odd sizes, in every layout and by DeepCache's parts", async () => {
    const side = 11;
    const deep = configOf({
      attentionHeadDim: [4, 4, 4, 4],
      blockOutChannels: [32, 32, 32, 32],
      downBlockTypes: Array.from({ length: 4 }, () => "DownBlock3D"),
      upBlockTypes: Array.from({ length: 4 }, () => "UpBlock3D"),
      // Norms over a few pixels alone would magnify rounding.
      normNumGroups: 4,
      useMotionModule: false,
    });
    const source = unetSource(deep);
    const open = (options: Partial<UNetOptions>): Promise<TestSession> =>
      openGraph(buildUNet(deep, source, { ...BUILD_OPTIONS, resolution: 8 * side, ...options }));
    const feeds = unetFeeds(deep, { side });
    await using full = await open({ kind: "unet_deepcache_full" });
    const { noise_pred: expected, deep_features: features } = await full.run(feeds);
    expect(expected!.dims).toEqual([1, 4, 2, side, side]);
    await using shallow = await open({ kind: "unet_deepcache_shallow" });
    const skipped = await noise(shallow, { ...feeds, deep_features: features! });
    assertClose(skipped, expected!, 1e-5, "shallow");
    await using cuda = await open({ profile: "cuda", expandFused: true });
    assertClose(await noise(cuda, feeds), expected!, 2e-5, "cuda");
  });

  it("treats frames apart where norms are per frame and nothing moves", async () => {
    const config = configOf({ useMotionModule: false, useInflatedGroupnorm: true });
    await using session = await openGraph(unetGraph(config));
    const feeds = unetFeeds(config, { frames: 3 });
    const together = await noise(session, feeds);
    for (const frame of [0, 1, 2]) {
      const alone = await noise(session, pickFeeds(feeds, [frame]));
      assertClose(alone, pickFrames(together, [frame]), 1e-5, `frame ${frame}`);
    }
  });

  it("sees the order of frames by their positions only", async () => {
    const order = [2, 0, 1];
    for (const temporalPositionEncoding of [true, false]) {
      const config = configOf({ motionModule: { ...MOTION, temporalPositionEncoding } });
      await using session = await openGraph(unetGraph(config));
      const feeds = unetFeeds(config, { frames: 3 });
      const straight = pickFrames(await noise(session, feeds), order);
      const shuffled = await noise(session, pickFeeds(feeds, order));
      const { maxAbsolute } = difference(shuffled.data, straight.data);
      if (temporalPositionEncoding) expect(maxAbsolute).toBeGreaterThan(1e-4);
      else expect(maxAbsolute).toBeLessThan(1e-5);
    }
  });

  it("depends on the timestep and, with audio layers only, on the audio", async () => {
    for (const addAudioLayer of [true, false]) {
      const config = configOf({ addAudioLayer });
      await using session = await openGraph(unetGraph(config));
      const feeds = unetFeeds(config);
      const output = await noise(session, feeds);
      const later = await noise(session, { ...feeds, timestep: float32([1], Float32Array.of(12)) });
      expect(difference(later.data, output.data).maxAbsolute).toBeGreaterThan(1e-4);
      const { encoder_hidden_states: other } = unetFeeds(config, { seed: 9 });
      const heard = await noise(session, { ...feeds, encoder_hidden_states: other });
      const change = difference(heard.data, output.data).maxAbsolute;
      if (addAudioLayer) expect(change).toBeGreaterThan(1e-4);
      else expect(change).toBe(0);
    }
  });

  it.each(["cpu", "tensorrt", "webgpu", "cuda"] satisfies GraphProfile[])(
    "in float16 on %s has half weights inside, float32 outside, and the same direction",
    async (profile) => {
      const options = { profile, expandFused: true } as const;
      const graph = unetGraph(SMALL, { ...options, precision: "float16" });
      for (const { value } of [...graph.inputs, ...graph.outputs]) {
        expect(value.dtype).toBe("float32");
      }
      const wide = [...graph.initializers.values()].filter(({ dtype }) => dtype === "float32");
      expect(wide.every(({ name }) => /norm.*float32$/u.test(name))).toBe(true);
      const feeds = unetFeeds(SMALL, { frames: 3 });
      await using half = await openGraph(graph);
      await using single = await openGraph(unetGraph(SMALL, options));
      const actual = await noise(half, feeds);
      const expected = await noise(single, feeds);
      expect(difference(actual.data, expected.data).cosine).toBeGreaterThan(0.9999);
    },
  );

  it("uses standard operators only for TensorRT, and fused ones where a profile has them", () => {
    const kinds = (profile: GraphProfile): Set<string> => {
      const graph = buildUNet(PUBLISHED, undefined, { ...BUILD_OPTIONS, profile, resolution: 256 });
      return new Set(graph.nodes.filter(({ domain }) => domain !== "").map(({ type }) => type));
    };
    expect(kinds("tensorrt")).toEqual(new Set());
    expect(kinds("cpu")).toEqual(new Set(["MultiHeadAttention"]));
    expect(kinds("webgpu")).toEqual(new Set(["MultiHeadAttention", "BiasAdd"]));
    expect(kinds("cuda")).toEqual(
      new Set([
        "MultiHeadAttention",
        "BiasSplitGelu",
        "BiasAdd",
        "NhwcConv",
        "GroupNorm",
        "SkipGroupNorm",
      ]),
    );
    const graph = buildUNet(PUBLISHED, undefined, { ...BUILD_OPTIONS, resolution: 256 });
    expect(graph.opsets.get("")).toBe(20);
  });

  it("names inputs, outputs and symbolic dimensions as the core says", () => {
    const shapes = (options: Partial<UNetOptions>): unknown => {
      const { inputs, outputs } = unetGraph(SMALL, options);
      return [...inputs, ...outputs].map(({ name, shape }) => [name, ...(shape ?? [])].join(" "));
    };
    expect(shapes({ kind: "unet_deepcache_full" })).toEqual([
      "sample batch 13 frames 8 8",
      "timestep 1",
      "encoder_hidden_states images 6 24",
      "noise_pred batch 4 frames 8 8",
      "deep_features batch frames 32 8 8",
    ]);
    expect(shapes({ kind: "unet_deepcache_shallow", batch: 2, frames: 16 })).toEqual([
      "sample 2 13 16 8 8",
      "timestep 1",
      "encoder_hidden_states 32 6 24",
      "deep_features 2 16 32 8 8",
      "noise_pred 2 4 16 8 8",
    ]);
  });

  it("refuses sizes, taps and checkpoints that do not fit", () => {
    const refused = (options: Partial<UNetOptions>): string =>
      thrown(() => unetGraph(SMALL, options)).message;
    expect(refused({ resolution: 100 })).toContain("multiple of 8");
    expect(refused({ resolution: 56 })).toContain("at least 64");
    expect(refused({ frames: 25 })).toContain("24 frames");
    expect(refused({ frames: 0 })).toContain("frames must be an integer of at least 1");
    expect(refused({ batch: 1.5 })).toContain("batch");
    expect(refused({ taps: ["down_blocks.9"] })).toContain("down_blocks.9");
    const source = unetSource(configOf({ crossAttentionDim: 32 }));
    const mismatch = thrown(() => buildUNet(SMALL, source, BUILD_OPTIONS));
    expect(mismatch).toMatchObject({ code: "invalid_model" });
    expect(mismatch.message).toMatch(/attn2\.to_k\.weight has shape \[32, 32\].*needs \[32, 24\]/u);
    const bare = unetSource(configOf({ useMotionModule: false }));
    expect(thrown(() => buildUNet(SMALL, bare, BUILD_OPTIONS)).message).toContain("motion_modules");
    const odd = configOf({ useLinearProjection: true, attentionHeadDim: [3, 3] });
    expect(thrown(() => unetGraph(odd)).message).toContain("use_linear_projection");
    const narrow = configOf({ blockOutChannels: [48, 64], normNumGroups: 16 });
    expect(thrown(() => unetGraph(narrow)).message).toContain("multiple of 32");
  });
});

const VAE: VaeConfig = {
  ...sdVaeFtMseConfig,
  blockOutChannels: [8, 16, 16, 24],
  layersPerBlock: 1,
  normNumGroups: 4,
};

describe("VAE", () => {
  const options = { ...BUILD_OPTIONS, expandFused: true };
  const image = randomTensor([2, 3, 64, 64], 1);
  const latents = randomTensor([2, 4, 8, 8], 2);

  it.each([
    {},
    { useQuantConv: false, usePostQuantConv: false },
    { midBlockAddAttention: false, layersPerBlock: 2 },
    { blockOutChannels: [8, 8, 8, 8], latentChannels: 5, normNumGroups: 8 },
  ])("is the same in every layout: %j", async (variant) => {
    const config = { ...VAE, ...variant };
    const source = createRandomTensors(expectedVaeTensors(config));
    const run = async (profile: GraphProfile): Promise<Record<string, Tensor>> => {
      const all = { ...options, profile };
      await using encoder = await openGraph(buildVaeEncoder(config, source, all));
      await using decoder = await openGraph(buildVaeDecoder(config, source, { ...all, images: 2 }));
      const input = randomTensor([2, config.latentChannels, 8, 8], 2);
      return { ...(await encoder.run({ image })), ...(await decoder.run({ latents: input })) };
    };
    const expected = await run("cpu");
    expect(expected["mean"]!.dims).toEqual([2, config.latentChannels, 8, 8]);
    expect(expected["image"]!.dims).toEqual([2, 3, 64, 64]);
    for (const [name, actual] of Object.entries(await run("cuda"))) {
      assertClose(actual, expected[name]!, 2e-5, name);
    }
  });

  it("clamps the logarithm of the variance, and not the mean", async () => {
    const random = createRandomTensors(expectedVaeTensors(VAE));
    for (const [bias, bound] of [
      [1000, 20],
      [-1000, -30],
    ] as const) {
      const source: TensorSource = {
        ...random,
        readFloat32: async (name) =>
          name === "quant_conv.bias" ? new Float32Array(8).fill(bias) : random.readFloat32(name),
      };
      await using session = await openGraph(buildVaeEncoder(VAE, source, options));
      const { mean, logvar } = await session.run({ image });
      expect([...logvar!.data].every((value) => value === bound)).toBe(true);
      expect(Math.abs(Number(mean!.data[0]) - bias)).toBeLessThan(50);
    }
  });

  it("names modules as the checkpoint does", async () => {
    const source = createRandomTensors(expectedVaeTensors(VAE));
    const taps = ["decoder.mid_block.attentions.0", "decoder.up_blocks.0"];
    await using session = await openGraph(buildVaeDecoder(VAE, source, { ...options, taps }));
    const outputs = await session.run({ latents });
    expect(taps.map((tap) => outputs[tap]!.dims)).toEqual([
      [2, 24, 8, 8],
      [2, 24, 16, 16],
    ]);
  });
});

describe("Whisper", () => {
  const dims = { nMels: 5, nAudioCtx: 6, nAudioState: 8, nAudioHead: 2, nAudioLayer: 2 };
  const source = createRandomTensors(expectedWhisperTensors(dims));

  it("gives the hidden states of plain code, without the last norm", async () => {
    const graph = buildWhisperEncoder(dims, source, { profile: "cpu", precision: "float32" });
    await using session = await openGraph(graph);
    const mel = randomTensor([1, 5, 12], 3);
    const { embeddings } = await session.run({ mel });
    expect(embeddings!.dims).toEqual([6, 3, 8]);
    const states = await whisperStates(mel, source);
    const expected = Array.from({ length: 6 * 3 * 8 }, (_, index) => {
      const [position, state, channel] = [
        Math.floor(index / 24),
        Math.floor(index / 8) % 3,
        index % 8,
      ];
      return states[state]![position * 8 + channel]!;
    });
    assertClose(embeddings!, float32([6, 3, 8], Float32Array.from(expected)), 1e-5);
  });
});

/** Hidden states `[6, 8]` of the small encoder above. */
async function whisperStates(mel: Tensor, source: TensorSource): Promise<Float64Array[]> {
  const read = (name: string): Promise<Float32Array> => source.readFloat32(`encoder.${name}`);
  const convolve = async (
    x: ArrayLike<number>,
    name: string,
    [inChannels, length, stride]: readonly [number, number, number],
  ): Promise<Float64Array> => {
    const [weight, bias] = [await read(`${name}.weight`), await read(`${name}.bias`)];
    const outLength = Math.floor((length - 1) / stride) + 1;
    return Float64Array.from({ length: 8 * outLength }, (_, index) => {
      const [out, position] = [Math.floor(index / outLength), index % outLength];
      let sum = bias[out]!;
      for (let channel = 0; channel < inChannels; channel++)
        for (let tap = 0; tap < 3; tap++) {
          const at = position * stride + tap - 1;
          if (at < 0 || at >= length) continue;
          sum += x[channel * length + at]! * weight[(out * inChannels + channel) * 3 + tap]!;
        }
      return plain.gelu(sum);
    });
  };
  const first = await convolve(mel.data as Float32Array, "conv1", [5, 12, 1]);
  const second = await convolve(first, "conv2", [8, 12, 2]);
  const positions = await read("positional_embedding");
  const states = [
    Float64Array.from(
      { length: 48 },
      (_, index) => second[(index % 8) * 6 + Math.floor(index / 8)]! + positions[index]!,
    ),
  ];
  for (const block of [0, 1]) {
    const layer = async (x: Float64Array, name: string, bias = true): Promise<Float64Array> =>
      plain.linear(
        x,
        await read(`blocks.${block}.${name}.weight`),
        bias ? await read(`blocks.${block}.${name}.bias`) : undefined,
        x.length / 6,
      );
    const norm = async (x: Float64Array, name: string): Promise<Float64Array> =>
      plain.layerNorm(
        x,
        await read(`blocks.${block}.${name}.weight`),
        await read(`blocks.${block}.${name}.bias`),
      );
    const x = states[block]!;
    const normal = await norm(x, "attn_ln");
    const mixed = plain.attention(
      await layer(normal, "attn.query"),
      await layer(normal, "attn.key", false),
      await layer(normal, "attn.value"),
      { sequences: 1, queries: 6, keys: 6, heads: 2, headWidth: 4 },
    );
    const attended = (await layer(mixed, "attn.out")).map((value, index) => value + x[index]!);
    const hidden = (await layer(await norm(attended, "mlp_ln"), "mlp.0")).map(plain.gelu);
    states.push((await layer(hidden, "mlp.2")).map((value, index) => value + attended[index]!));
  }
  return states;
}
