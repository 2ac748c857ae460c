/**
 * What networks are built from. A profile is one set of emitters: networks call these and never
 * an operator that only some runtimes have, so that each runtime gets the graph that suits it.
 */
import type { Value } from "../../graph/graph.ts";
import type { Network } from "../network.ts";

/** `[images, channels, height, width]` or, by the profile's layout, `[images, height, width, channels]`. */
export interface FeatureMap {
  readonly value: Value;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

export type Size = Omit<FeatureMap, "value">;

/** Parameters of the layer at `path` of the checkpoint. */
export interface ConvolutionLayer {
  readonly path: string;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: 1 | 3;
  readonly stride?: 1 | 2;
  /** Top, left, bottom, right; keeps the size if not given. */
  readonly pads?: readonly [number, number, number, number];
  /** Added to every output channel, `[1, outChannels]`. */
  readonly addend?: Value;
}

export interface GroupNormLayer {
  readonly path: string;
  readonly groups: number;
  readonly epsilon: number;
  /** Whether mean and variance are taken over all frames of a video at once. */
  readonly acrossFrames: boolean;
  readonly activation?: "silu";
}

export interface LinearLayer {
  readonly path: string;
  readonly inWidth: number;
  readonly outWidth: number;
  readonly bias: boolean;
  /** Shape of the weight in the checkpoint, where it is a 1x1 convolution's. */
  readonly weightShape?: readonly [number, number, 1, 1];
}

export interface LayerNormLayer {
  readonly path: string;
  readonly width: number;
}

export interface AttentionInputs {
  /** `[sequences, queries, heads * headWidth]` */
  readonly query: Value;
  /** `[sequences, keys, heads * headWidth]` */
  readonly key: Value;
  readonly value: Value;
  readonly heads: number;
  readonly headWidth: number;
  /** Number of keys, where it is known when the graph is built. */
  readonly keyCount: number | undefined;
}

/** How feature maps lie in memory, and how they become token sequences and back. */
export interface Layout {
  readonly name: "NCHW" | "NHWC";
  readonly channelAxis: 1 | 3;
  /** From images as the host has them, `[images, channels, height, width]`. */
  fromImages(net: Network, images: Value, size: Size): FeatureMap;
  toImages(net: Network, x: FeatureMap): Value;
  /** From a video as the host has it, `[batch, channels, frames, height, width]`. */
  fromVideo(net: Network, video: Value, size: Size): FeatureMap;
  toVideo(net: Network, x: FeatureMap): Value;
  /** To `[images, height * width, channels]`. */
  toTokens(net: Network, x: FeatureMap): Value;
  fromTokens(net: Network, tokens: Value, size: Size): FeatureMap;
  /** To one sequence over time per pixel, `[batch * height * width, frames, channels]`. */
  toFrameTokens(net: Network, x: FeatureMap): Value;
  fromFrameTokens(net: Network, tokens: Value, size: Size): FeatureMap;
  /** A per-channel value `[1, channels]` in a shape that broadcasts over a feature map. */
  perChannel(net: Network, value: Value, channels: number): Value;
  /** Dimensions of one image. */
  readonly imageDims: (size: Size) => readonly [number, number, number];
}

export interface Emitters {
  readonly layout: Layout;
  convolution(net: Network, x: FeatureMap, layer: ConvolutionLayer): FeatureMap;
  groupNorm(net: Network, x: FeatureMap, layer: GroupNormLayer): FeatureMap;
  /** A convolution, and the group norm of its result. */
  convolutionNorm(
    net: Network,
    x: FeatureMap,
    layer: ConvolutionLayer,
    norm: GroupNormLayer,
  ): FeatureMap;
  /** A convolution, and a feature map of its result's shape added to it. */
  convolutionWithResidual(
    net: Network,
    x: FeatureMap,
    layer: ConvolutionLayer,
    residual: FeatureMap,
  ): FeatureMap;
  /** Nearest-neighbour upsampling by two. */
  upsample(net: Network, x: FeatureMap): FeatureMap;
  linear(net: Network, x: Value, layer: LinearLayer): Value;
  /** A linear layer with a bias, and the residual added to it. */
  linearWithResidual(net: Network, x: Value, layer: LinearLayer, residual: Value): Value;
  layerNorm(net: Network, x: Value, layer: LayerNormLayer): Value;
  /** Scaled dot-product attention; `[sequences, queries, heads * headWidth]`. */
  attention(net: Network, inputs: AttentionInputs): Value;
  silu(net: Network, x: Value): Value;
  /** Exact GELU, by the error function. */
  gelu(net: Network, x: Value): Value;
  /** A linear layer to twice the width, one half times the GELU of the other. */
  geglu(net: Network, x: Value, layer: LinearLayer): Value;
}
