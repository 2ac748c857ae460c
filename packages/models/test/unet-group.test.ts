/** Groups of steps as one graph, against the same steps taken one by one. */
import { type GraphProfile, type Tensor, float32 } from "@ls/core";
import { assertClose } from "@ls/testing";
import { assert, describe, expect, it } from "vitest";
import { buildUNet, buildUNetGroup } from "../src/networks/index.ts";
import { openGraph, randomTensor, type TestSession } from "./graph-session.ts";
import { SIDE, SMALL, BUILD_OPTIONS, unetFeeds, unetSource } from "./small-unet.ts";
import { thrown } from "./temporary-folder.ts";

const SOURCE = unetSource(SMALL);
const FRAMES = 2;
const LATENT_CHANNELS = 4;

/** `a, b, p, q, s` of each step. */
type Coefficients = readonly (readonly [number, number, number, number, number])[];

const TIMESTEPS = [900, 600, 300];
const COEFFICIENTS: Coefficients = [
  [0.9, -0.3, 0.2, 0.1, 1.5],
  [1.1, 0.2, -0.1, 0.3, 1.5],
  [0.8, -0.1, 0.05, -0.2, 2],
];

interface Feeds {
  readonly sample: Tensor<"float32">;
  readonly audio: Tensor<"float32">;
  readonly history: Tensor<"float32">;
}

function feedsOf(batch: number): Feeds {
  const { sample, encoder_hidden_states: audio } = unetFeeds(SMALL, { batch, frames: FRAMES });
  const history = randomTensor([batch, LATENT_CHANNELS, FRAMES, SIDE, SIDE], 3);
  return { sample, audio, history };
}

/** The same steps by the graphs of one step each, with the updates in plain code. */
async function oneByOne(
  { sample, audio, history: start }: Feeds,
  { steps, guided }: { readonly steps: number; readonly guided: boolean },
): Promise<{ readonly latents: Float32Array[]; readonly history: Float32Array }> {
  const open = (kind: "unet_deepcache_full" | "unet_deepcache_shallow"): Promise<TestSession> =>
    openGraph(buildUNet(SMALL, SOURCE, { ...BUILD_OPTIONS, kind, guided }), "basic");
  await using full = await open("unet_deepcache_full");
  await using shallow = await open("unet_deepcache_shallow");
  const batch = sample.dims[0]!;
  const stride = sample.data.length / batch;
  const size = start.data.length / batch;
  const input = sample.data.slice();
  let history: Float32Array = start.data;
  let features: Tensor | undefined;
  const results: Float32Array[] = [];
  for (const [step, [a, b, p, q, s]] of COEFFICIENTS.slice(0, steps).entries()) {
    const feeds = {
      sample: float32(sample.dims, input),
      timestep: float32([1], Float32Array.of(TIMESTEPS[step]!)),
      encoder_hidden_states: audio,
    };
    const outputs =
      features === undefined
        ? await full.run(feeds)
        : await shallow.run({ ...feeds, deep_features: features });
    features ??= outputs["deep_features"];
    const answer = outputs["noise_pred"]!.data as Float32Array;
    const latents = new Float32Array(history.length);
    const kept = new Float32Array(history.length);
    for (let index = 0; index < history.length; index++) {
      const position = Math.floor(index / size) * stride + (index % size);
      const silence = answer[index]!;
      const noise = guided ? silence + s * (answer[history.length + index]! - silence) : silence;
      const x = input[position]!;
      latents[index] = a * x + b * noise + history[index]!;
      kept[index] = p * x + q * noise;
      input[position] = latents[index]!;
    }
    history = kept;
    results.push(latents);
  }
  return { latents: results, history };
}

describe("a group of steps", () => {
  const profiles: readonly { profile: GraphProfile; expandFused?: boolean }[] = [
    { profile: "tensorrt" },
    { profile: "cuda", expandFused: true },
  ];

  it.each([
    [3, true, 1],
    [2, true, 2],
    [3, false, 2],
    [1, true, 1],
  ])("of %d, guided %s, for %d chunks is the steps one by one", async (steps, guided, batch) => {
    const feeds = feedsOf(batch);
    const expected = await oneByOne(feeds, { steps, guided });
    for (const profile of profiles) {
      const graph = buildUNetGroup(SMALL, SOURCE, { ...BUILD_OPTIONS, ...profile, steps, guided });
      await using session = await openGraph(graph, "basic");
      const { latents, next_history: history } = await session.run({
        sample: feeds.sample,
        timesteps: float32([steps], Float32Array.from(TIMESTEPS.slice(0, steps))),
        encoder_hidden_states: feeds.audio,
        coefficients: float32([steps, 5], Float32Array.from(COEFFICIENTS.slice(0, steps).flat())),
        history: feeds.history,
      });
      assert(latents !== undefined && history !== undefined);
      expect(latents.dims).toEqual([steps, batch, LATENT_CHANNELS, FRAMES, SIDE, SIDE]);
      const all = float32(latents.dims, Float32Array.from(expected.latents.flatMap((x) => [...x])));
      assertClose(latents, all, 5e-5, `${profile.profile} latents`);
      assertClose(history, float32(history.dims, expected.history), 5e-5, "history");
    }
  });

  it("computes the audio's keys and values of a layer once", () => {
    const graph = buildUNetGroup(SMALL, undefined, {
      ...BUILD_OPTIONS,
      profile: "tensorrt",
      steps: 3,
    });
    const layer = "up_blocks.1.attentions.1.transformer_blocks.0.attn2";
    const uses = (name: string): number =>
      graph.nodes.filter(({ inputs }) =>
        inputs.some((input) => input?.name === `${layer}.${name}.weight:transposed`),
      ).length;
    expect(uses("to_q")).toBe(3);
    expect(uses("to_k")).toBe(1);
    expect(uses("to_v")).toBe(1);
  });

  it("shares its weights with the graphs of single steps, by name", () => {
    const options = { ...BUILD_OPTIONS, profile: "cuda", guided: true } as const;
    const single = buildUNet(SMALL, undefined, { ...options, kind: "unet_deepcache_full" });
    const group = buildUNetGroup(SMALL, undefined, { ...options, steps: 3 });
    expect([...group.initializers.keys()].sort()).toEqual([...single.initializers.keys()].sort());
    expect(group.name).toBe("unet_group_3_guided");
  });

  it("refuses a group of no steps", () => {
    const build = (): unknown =>
      buildUNetGroup(SMALL, undefined, { ...BUILD_OPTIONS, profile: "cuda", steps: 0 });
    expect(thrown(build).message).toContain("steps must be an integer of at least 1");
  });
});
