/** Ports `latentsync/models/attention.py` of bytedance/LatentSync at a229c39. */
import { LatentSyncError } from "@ls/core";
import type { Value } from "../graph/graph.ts";
import type { Network } from "./network.ts";
import type { FeatureMap, LinearLayer } from "./profiles/emitters.ts";

/** Epsilon of the group norm before a transformer. */
export const TRANSFORMER_NORM_EPSILON = 1e-6;

/** Width of a transformer's feed-forward layer, as a multiple of its own. */
const FEED_FORWARD_FACTOR = 4;

/** Audio features of each image, `[images, tokens, width]`. */
export interface AudioTokens {
  readonly value: Value;
  readonly tokens: number;
  readonly width: number;
  /** Keys and values that the graph has computed already, by their layer's path. */
  readonly projections: Map<string, readonly [key: Value, value: Value]>;
}

export interface TransformerSettings {
  readonly heads: number;
  readonly groups: number;
  /** Whether projections in and out are stored as linear layers instead of 1x1 convolutions. */
  readonly linearProjection: boolean;
  /** What the cross-attention reads; without it there is none. */
  readonly audio?: AudioTokens;
  /**
   * In a network that answers for silence and for speech: parts the two, where they are still one,
   * once the first cross-attention has told them apart.
   */
  readonly fork?: () => void;
}

export interface AttentionLayer {
  readonly path: string;
  readonly width: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly keyCount: number | undefined;
  /** What keys and values are made of; the queries' own source if not given. */
  readonly context?: Pick<AudioTokens, "value" | "width" | "projections">;
  /** Whether queries, keys and values have a bias; they have none if not given. */
  readonly bias?: boolean;
  readonly residual: Value;
}

/** Multi-head attention and its output projection, added to a residual. */
export function attentionLayer(net: Network, x: Value, layer: AttentionLayer): Value {
  const { path, width, heads, headWidth, keyCount, residual } = layer;
  const innerWidth = heads * headWidth;
  const project = (name: string, from: { value: Value; width: number }): Value =>
    net.linear(from.value, {
      path: `${path}.${name}`,
      inWidth: from.width,
      outWidth: innerWidth,
      bias: layer.bias ?? false,
    });
  const query = project("to_q", { value: x, width });
  const context = layer.context ?? { value: x, width };
  const [key, value] = layer.context?.projections.get(path) ?? [
    project("to_k", context),
    project("to_v", context),
  ];
  layer.context?.projections.set(path, [key, value]);
  const mixed = net.emit.attention(net, { query, key, value, heads, headWidth, keyCount });
  return net.emit.linearWithResidual(
    net,
    mixed,
    { path: `${path}.to_out.0`, inWidth: innerWidth, outWidth: width, bias: true },
    residual,
  );
}

/** The GEGLU feed-forward layer of diffusers, added to a residual. */
export function feedForward(
  net: Network,
  x: Value,
  { path, width, residual }: { path: string; width: number; residual: Value },
): Value {
  const innerWidth = FEED_FORWARD_FACTOR * width;
  const hidden = net.module(`${path}.net.0`, () =>
    net.emit.geglu(net, x, {
      path: `${path}.net.0.proj`,
      inWidth: width,
      outWidth: 2 * innerWidth,
      bias: true,
    }),
  );
  return net.emit.linearWithResidual(
    net,
    hidden,
    { path: `${path}.net.2`, inWidth: innerWidth, outWidth: width, bias: true },
    residual,
  );
}

/** A spatial transformer of one block, with cross-attention to audio where there is any. */
export function transformer3D(
  net: Network,
  x: FeatureMap,
  path: string,
  settings: TransformerSettings,
): FeatureMap {
  return net.module(path, () => {
    const { heads, groups, linearProjection } = settings;
    const { channels } = x;
    const before = net.branches;
    const headWidth = Math.floor(channels / heads);
    const width = heads * headWidth;
    if (linearProjection && width !== channels) {
      throw new LatentSyncError(
        "invalid_model",
        `${path} has ${channels} channels, which ${heads} heads do not divide, with use_linear_projection.`,
        { hint: "Use the configuration that was published with the checkpoint." },
      );
    }
    const projection = (outWidth: number, inWidth: number): Omit<LinearLayer, "path"> => ({
      inWidth,
      outWidth,
      bias: true,
      ...(linearProjection ? {} : { weightShape: [outWidth, inWidth, 1, 1] }),
    });
    const normalized = net.groupNorm(x, {
      path: `${path}.norm`,
      groups,
      epsilon: TRANSFORMER_NORM_EPSILON,
      acrossFrames: false,
    });
    const tokens = net.linear(net.emit.layout.toTokens(net, normalized), {
      path: `${path}.proj_in`,
      ...projection(width, channels),
    });
    const block = { path: `${path}.transformer_blocks.0`, width, headWidth };
    const hidden = transformerBlock(
      net,
      tokens,
      { ...block, pixels: x.height * x.width },
      settings,
    );
    const layer = { path: `${path}.proj_out`, ...projection(channels, width) };
    return projectOut(net, before === net.branches ? x : net.twice(x), hidden, layer);
  });
}

/** The output projection of a spatial transformer, added to the transformer's input. */
function projectOut(net: Network, x: FeatureMap, tokens: Value, layer: LinearLayer): FeatureMap {
  const { layout } = net.emit;
  if (layout.name === "NCHW") {
    return net.sum(layout.fromTokens(net, net.linear(tokens, layer), x), x);
  }
  const residual = layout.toTokens(net, x);
  const sum = net.emit.linearWithResidual(net, tokens, layer, residual);
  return layout.fromTokens(net, sum, x);
}

interface TransformerBlock {
  readonly path: string;
  readonly width: number;
  readonly headWidth: number;
  readonly pixels: number;
}

function transformerBlock(
  net: Network,
  tokens: Value,
  block: TransformerBlock,
  settings: TransformerSettings,
): Value {
  const { path, width, headWidth, pixels } = block;
  return net.module(path, () => {
    const norm = (name: string, x: Value): Value =>
      net.normalize(x, { path: `${path}.${name}`, width });
    const attended = attentionLayer(net, norm("norm1", tokens), {
      path: `${path}.attn1`,
      width,
      heads: settings.heads,
      headWidth,
      keyCount: pixels,
      residual: tokens,
    });
    const hidden = crossAttention(net, attended, block, settings);
    return feedForward(net, norm("norm3", hidden), { path: `${path}.ff`, width, residual: hidden });
  });
}

/**
 * Attention to the audio, added to `hidden`. Of silence, audio features of zeros, keys and values
 * are zeros too: they have no bias, and what is left of the layer is its output's bias.
 */
function crossAttention(
  net: Network,
  hidden: Value,
  { path, width, headWidth, pixels }: TransformerBlock,
  { heads, audio, fork }: TransformerSettings,
): Value {
  if (audio === undefined) return hidden;
  const attend = (tokens: Value): Value =>
    attentionLayer(net, net.normalize(tokens, { path: `${path}.norm2`, width }), {
      path: `${path}.attn2`,
      width,
      heads,
      headWidth,
      keyCount: audio.tokens,
      context: audio,
      residual: tokens,
    });
  if (fork === undefined) return attend(hidden);
  const dims = [pixels, width] as const;
  const [silent, spoken] = net.part(hidden, dims);
  const answer = attend(spoken);
  fork();
  const bias = net.weights.tensor(`${path}.attn2.to_out.0.bias`, [width]);
  return net.join(net.add(silent, bias), answer, dims);
}
