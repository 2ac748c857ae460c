/** A UNet that loads quickly, with random weights, and what it is fed with. */
import { float32, type Tensor } from "@ls/core";
import { assert } from "vitest";
import {
  createRandomTensors,
  publishedUNetConfigs,
  type TensorSource,
  type UNetModelConfig,
} from "../src/checkpoint/index.ts";
import { expectedUNetTensors } from "../src/networks/index.ts";
import { randomTensor, type TestSession } from "./graph-session.ts";

/** Two blocks of 32 and 64 channels with everything that the published network has. */
export const SMALL: UNetModelConfig = {
  ...publishedUNetConfigs.stage2.model,
  attentionHeadDim: [4, 4],
  blockOutChannels: [32, 64],
  crossAttentionDim: 24,
  downBlockTypes: ["CrossAttnDownBlock3D", "DownBlock3D"],
  layersPerBlock: 1,
  upBlockTypes: ["UpBlock3D", "CrossAttnUpBlock3D"],
  // Down blocks stand at 1 and 2, up blocks at 8 and 4.
  motionModuleResolutions: [1, 2, 4, 8],
};

/** Width and height of the latents. */
export const SIDE = 8;
const TOKENS = 6;

/** What a graph for {@link unetFeeds} is built with. */
export const BUILD_OPTIONS = {
  profile: "cpu",
  precision: "float32",
  resolution: 8 * SIDE,
  audioTokens: TOKENS,
} as const;

export function unetSource(config: UNetModelConfig): TensorSource {
  return createRandomTensors(expectedUNetTensors(config), { seed: 5 });
}

export type UNetFeeds = Readonly<
  Record<"sample" | "timestep" | "encoder_hidden_states", Tensor<"float32">>
>;

export function unetFeeds(
  config: UNetModelConfig,
  { batch = 1, frames = 2, seed = 1, side = SIDE } = {},
): UNetFeeds {
  return {
    sample: randomTensor([batch, config.inChannels, frames, side, side], seed),
    timestep: float32([1], Float32Array.of(437)),
    encoder_hidden_states: randomTensor(
      [batch * frames, TOKENS, config.crossAttentionDim],
      seed + 1,
    ),
  };
}

/** What the network answers. */
export async function noise(
  session: TestSession,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Tensor> {
  const { noise_pred: output } = await session.run(feeds);
  assert(output !== undefined);
  return output;
}
