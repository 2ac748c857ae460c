/** Ports `latentsync/models/motion_module.py` of bytedance/LatentSync at a229c39. */
import { LatentSyncError } from "@ls/core";
import type { MotionModuleConfig } from "../checkpoint/unet-config.ts";
import type { Value } from "../graph/graph.ts";
import { TRANSFORMER_NORM_EPSILON, attentionLayer, feedForward } from "./attention.ts";
import type { Network } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";

/** Groups of a motion module's norm, whatever the rest of the network has. */
const MOTION_NORM_GROUPS = 32;

/** A temporal transformer: attention over the frames of every pixel. */
export function motionModule(
  net: Network,
  x: FeatureMap,
  path: string,
  config: MotionModuleConfig,
): FeatureMap {
  return net.module(path, () => {
    const transformer = `${path}.temporal_transformer`;
    const { channels } = x;
    const heads = config.numAttentionHeads;
    const headWidth = Math.floor(Math.floor(channels / heads) / config.temporalAttentionDimDiv);
    const width = heads * headWidth;
    checkWidths(path, channels, headWidth);
    const normalized = net.groupNorm(x, {
      path: `${transformer}.norm`,
      groups: MOTION_NORM_GROUPS,
      epsilon: TRANSFORMER_NORM_EPSILON,
      acrossFrames: false,
    });
    let tokens = net.linear(net.emit.layout.toFrameTokens(net, normalized), {
      path: `${transformer}.proj_in`,
      inWidth: channels,
      outWidth: width,
      bias: true,
    });
    for (let index = 0; index < config.numTransformerBlock; index++) {
      const block = { path: `${transformer}.transformer_blocks.${index}`, width, heads, headWidth };
      tokens = temporalBlock(net, tokens, block, config);
    }
    const output = net.linear(tokens, {
      path: `${transformer}.proj_out`,
      inWidth: width,
      outWidth: channels,
      bias: true,
    });
    return net.sum(net.emit.layout.fromFrameTokens(net, output, x), x);
  });
}

function checkWidths(path: string, channels: number, headWidth: number): void {
  if (channels % MOTION_NORM_GROUPS === 0 && headWidth >= 1) return;
  throw new LatentSyncError(
    "invalid_model",
    `${path} has ${channels} channels; a motion module needs a multiple of ${MOTION_NORM_GROUPS}, and at least one per head.`,
    { hint: "Use the configuration that was published with the checkpoint." },
  );
}

interface TemporalBlock {
  readonly path: string;
  readonly width: number;
  readonly heads: number;
  readonly headWidth: number;
}

function temporalBlock(
  net: Network,
  tokens: Value,
  { path, width, heads, headWidth }: TemporalBlock,
  config: MotionModuleConfig,
): Value {
  return net.module(path, () => {
    let hidden = tokens;
    for (const index of config.attentionBlockTypes.keys()) {
      const normalized = net.normalize(hidden, { path: `${path}.norms.${index}`, width });
      const attention = `${path}.attention_blocks.${index}`;
      hidden = attentionLayer(net, withPositions(net, normalized, attention, width, config), {
        path: attention,
        width,
        heads,
        headWidth,
        keyCount: typeof net.frames === "number" ? net.frames : undefined,
        residual: hidden,
      });
    }
    const normalized = net.normalize(hidden, { path: `${path}.ff_norm`, width });
    return feedForward(net, normalized, { path: `${path}.ff`, width, residual: hidden });
  });
}

/** Adds the first positions of the checkpoint's table, one per frame. */
function withPositions(
  net: Network,
  tokens: Value,
  path: string,
  width: number,
  config: MotionModuleConfig,
): Value {
  if (!config.temporalPositionEncoding) return tokens;
  const length = config.temporalPositionEncodingMaxLen;
  const table = net.weights.tensor(`${path}.pos_encoder.pe`, [1, length, width]);
  const { frames } = net;
  const end = typeof frames === "number" ? net.graph.integers([frames]) : frames;
  const start = net.graph.integers([0]);
  const axes = net.graph.integers([1]);
  return net.add(tokens, net.graph.op("Slice", [table, start, end, axes]));
}
