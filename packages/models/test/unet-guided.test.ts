/** UNets that answer for silence beside the speech, against those that are given silence as audio. */
import { float32, type GraphProfile, type Tensor } from "@ls/core";
import {
  assertClose,
  goldenFile,
  goldenUNetFeeds,
  hasReference,
  reference,
  referenceTitle,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import { openModelFolder, type UNetModelConfig } from "../src/checkpoint/index.ts";
import type { Graph } from "../src/graph/index.ts";
import { buildUNet, type UNetOptions } from "../src/networks/index.ts";
import { openGraph, type TestSession } from "./graph-session.ts";
import {
  noise,
  SIDE,
  SMALL,
  BUILD_OPTIONS,
  unetFeeds,
  type UNetFeeds,
  unetSource,
} from "./small-unet.ts";

/** Where silence and speech part: in the first layer, after skips of both kinds, never. */
const VARIANTS: Readonly<Record<string, Partial<UNetModelConfig>>> = {
  "as published": {},
  "two layers, linear projections": { layersPerBlock: 2, useLinearProjection: true },
  "attention from the second block": {
    downBlockTypes: ["DownBlock3D", "CrossAttnDownBlock3D"],
    upBlockTypes: ["CrossAttnUpBlock3D", "UpBlock3D"],
  },
  "attention in the middle alone": {
    downBlockTypes: ["DownBlock3D", "DownBlock3D"],
    upBlockTypes: ["UpBlock3D", "UpBlock3D"],
  },
  "no audio layer": { addAudioLayer: false },
};

const PROFILES: readonly { profile: GraphProfile; expandFused?: boolean }[] = [
  { profile: "cpu" },
  { profile: "tensorrt" },
  { profile: "webgpu", expandFused: true },
  { profile: "cuda", expandFused: true },
];

/** The same for a batch that holds silence before the speech. */
function withSilence(feeds: UNetFeeds): UNetFeeds {
  const before = (name: keyof UNetFeeds, factor: 0 | 1): Tensor<"float32"> => {
    const { dims, data } = feeds[name];
    const both = new Float32Array(2 * data.length);
    if (factor === 1) both.set(data);
    both.set(data, data.length);
    return float32([2 * dims[0]!, ...dims.slice(1)], both);
  };
  return {
    ...feeds,
    sample: before("sample", 1),
    encoder_hidden_states: before("encoder_hidden_states", 0),
  };
}

describe.each(Object.entries(VARIANTS))("UNet with silence, %s", (_name, variant) => {
  const config = { ...SMALL, ...variant };
  const source = unetSource(config);
  const open = (options: Partial<UNetOptions>): Promise<TestSession> =>
    openGraph(buildUNet(config, source, { ...BUILD_OPTIONS, ...options }), "basic");

  it("answers for two chunks as if silence were audio, whole and by DeepCache's parts", async () => {
    const feeds = unetFeeds(config, { batch: 2, frames: 3 });
    await using plain = await open({ kind: "unet_deepcache_full" });
    const { noise_pred: expected, deep_features: features } = await plain.run(withSilence(feeds));
    await using full = await open({ kind: "unet_deepcache_full", guided: true });
    const { noise_pred: actual, deep_features: deep } = await full.run(feeds);
    expect(actual!.dims).toEqual([4, config.outChannels, 3, SIDE, SIDE]);
    assertClose(actual!, expected!, 2e-5, "full");
    assertClose(deep!, features!, 2e-5, "deep features");
    await using shallow = await open({ kind: "unet_deepcache_shallow", guided: true });
    assertClose(await noise(shallow, { ...feeds, deep_features: deep! }), expected!, 2e-5);
  });
});

describe("UNet with silence", () => {
  const source = unetSource(SMALL);
  const build = (options: Partial<UNetOptions>): Graph =>
    buildUNet(SMALL, source, { ...BUILD_OPTIONS, guided: true, ...options });

  it("is the same in every profile, symbolic or static, and chunk by chunk", async () => {
    const feeds = unetFeeds(SMALL, { batch: 2 });
    await using plain = await openGraph(buildUNet(SMALL, source, BUILD_OPTIONS), "basic");
    const expected = await noise(plain, withSilence(feeds));
    for (const options of [...PROFILES, { batch: 2, frames: 2 }]) {
      await using session = await openGraph(build(options), "basic");
      assertClose(await noise(session, feeds), expected, 2e-5, JSON.stringify(options));
    }
    await using single = await openGraph(build({}), "basic");
    for (const chunk of [0, 1]) {
      const part = ({ dims, data }: Tensor<"float32">): Tensor<"float32"> => {
        const size = data.length / 2;
        const values = data.slice(chunk * size, (chunk + 1) * size);
        return float32([dims[0]! / 2, ...dims.slice(1)], values);
      };
      const { sample, encoder_hidden_states: audio, timestep } = feeds;
      const answer = await noise(single, {
        sample: part(sample),
        encoder_hidden_states: part(audio),
        timestep,
      });
      const size = expected.data.length / 4;
      const of = (index: number): Float32Array =>
        (expected.data as Float32Array).subarray(index * size, (index + 1) * size);
      const both = Float32Array.of(...of(chunk), ...of(2 + chunk));
      assertClose(answer, float32(answer.dims, both), 2e-5, `chunk ${chunk}`);
    }
  });

  it("reads the audio for the speech alone, and runs what comes before it once", () => {
    const count = (graph: Graph, type: string): number =>
      graph.nodes.filter((node) => node.type === type).length;
    const guided = build({});
    const plain = buildUNet(SMALL, source, BUILD_OPTIONS);
    expect(count(guided, "Conv")).toBe(count(plain, "Conv"));
    expect([...guided.initializers.keys()].sort()).toEqual([...plain.initializers.keys()].sort());
    const shapes = [...guided.inputs, ...guided.outputs].map(({ name, shape }) =>
      [name, ...(shape ?? [])].join(" "),
    );
    expect(shapes).toEqual([
      "sample batch 13 frames 8 8",
      "timestep 1",
      "encoder_hidden_states images 6 24",
      "noise_pred guided_batch 4 frames 8 8",
    ]);
  });
});

describe.skipIf(!hasReference)(referenceTitle("unet_f5 with silence before its speech"), () => {
  it.each(PROFILES)(
    "$profile gives what the plain graph gives, which is golden",
    async (profile) => {
      await using model = await openModelFolder(reference("model"));
      const golden = goldenFile("unet_f5");
      const feeds = goldenUNetFeeds(golden) as UNetFeeds;
      const options = {
        precision: "float32",
        resolution: model.unetConfig.data.resolution,
      } as const;
      const open = (graphOptions: UNetOptions): Promise<TestSession> =>
        openGraph(buildUNet(model.unetConfig.model, model.unet, graphOptions), "basic");
      await using guided = await open({ ...options, ...profile, guided: true });
      const actual = await noise(guided, feeds);
      // The speech's half is the official network's own answer.
      const out = golden("out") as Tensor<"float32">;
      const half = (actual.data as Float32Array).slice(out.data.length);
      assertClose(float32(out.dims, half), out, 1e-4, "speech");
      if (profile.profile !== "cpu") return;
      await using plain = await open({ ...options, ...profile });
      assertClose(actual, await noise(plain, withSilence(feeds)), 1e-4, "silence and speech");
    },
  );
});
