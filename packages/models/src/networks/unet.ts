/** Graphs of the UNet: whole, and the parts that DeepCache makes of it. */
import { LatentSyncError } from "@ls/core";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { UNetModelConfig } from "../checkpoint/unet-config.ts";
import type { Dimension } from "../graph/element-type.ts";
import type { Graph, Value } from "../graph/graph.ts";
import {
  type BuildOptions,
  addTaps,
  checkPositive,
  createNetwork,
  latentSize,
} from "./build-options.ts";
import { BORDER, type Network } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";
import { UNet } from "./unet-network.ts";

export interface UNetSizes {
  /** Side of the face in pixels, a multiple of 8 and at least 64. */
  readonly resolution: number;
  /** Fixes the number of videos; symbolic `batch` if not given. */
  readonly batch?: number;
  /** Fixes the frame count; symbolic `frames` if not given. */
  readonly frames?: number;
  /** Audio tokens per frame; 50 if not given. */
  readonly audioTokens?: number;
  /** Whether silence is answered for as well, before the speech; the graph's name then says so. */
  readonly guided?: boolean;
}

/** Graphs of one step. */
export type UNetStepKind = "unet" | "unet_deepcache_full" | "unet_deepcache_shallow";

export interface UNetOptions extends BuildOptions, UNetSizes {
  /** `unet` if not given. */
  readonly kind?: UNetStepKind;
}

const AUDIO_TOKENS = 50;

/**
 * The UNet. Inputs and outputs are those of `GraphKind` of `@ls/core`, with symbolic dimensions
 * `batch`, `frames`, for the frames of all videos together `images`, and for silence and speech
 * together `guided_batch`. `deep_features` is `[batch, frames, ...]`, its other dimensions in the
 * profile's layout: it is only ever handed back.
 * @param source the checkpoint's tensors; without it the graph cannot be written.
 * @throws LatentSyncError `invalid_model` if the source lacks a tensor or has it in another shape,
 *   `invalid_argument` for sizes that cannot be.
 */
export function buildUNet(
  config: UNetModelConfig,
  source: TensorSource | undefined,
  options: UNetOptions,
): Graph {
  const { kind = "unet", guided = false } = options;
  const net = createNetwork(guided ? `${kind}_guided` : kind, source, options);
  const dims = new UNetDims(config, options);
  const sample = net.cast(sampleInput(net, config, dims), net.dtype);
  const timestep = net.graph.input("timestep", BORDER, [1]);
  const unet = openUNet(net, config, dims);
  const step = { sample, time: unet.timeEmbedding(timestep) };
  const { noise, deepFeatures } =
    kind === "unet_deepcache_shallow"
      ? unet.shallow(step, deepInput(net, unet, dims))
      : unet.full(step);
  const video = net.cast(net.emit.layout.toVideo(net, noise), BORDER);
  net.graph.output("noise_pred", video, dims.video(dims.answers, config.outChannels));
  if (kind === "unet_deepcache_full") deepOutput(net, deepFeatures, dims);
  addTaps(net, options.taps, (x) => net.emit.layout.toVideo(net, x));
  return net.graph;
}

/** Every tensor that a checkpoint of this configuration holds, with its shape. */
export function expectedUNetTensors(
  config: UNetModelConfig,
): ReadonlyMap<string, readonly number[]> {
  // Any size will do: weights do not depend on it.
  const resolution = 8 * 2 ** Math.max(config.blockOutChannels.length, 4);
  const options = { profile: "tensorrt", precision: "float32", resolution } as const;
  const net = createNetwork("unet", undefined, options);
  const dims = new UNetDims(config, options);
  const sample = sampleInput(net, config, dims);
  const unet = openUNet(net, config, dims);
  unet.full({ sample, time: unet.timeEmbedding(net.graph.input("timestep", BORDER, [1])) });
  return net.weights.declared;
}

function checkSizes(config: UNetModelConfig, sizes: UNetSizes): void {
  checkPositive("batch", sizes.batch);
  checkPositive("frames", sizes.frames);
  checkPositive("audioTokens", sizes.audioTokens);
  const { useMotionModule, motionModule } = config;
  const maximum = motionModule.temporalPositionEncodingMaxLen;
  const limited = useMotionModule && motionModule.temporalPositionEncoding;
  if (limited && sizes.frames !== undefined && sizes.frames > maximum) {
    throw new LatentSyncError(
      "invalid_argument",
      `frames is ${sizes.frames}, but the motion modules know positions of ${maximum} frames only.`,
    );
  }
}

/** Sizes of a UNet's inputs and outputs: numbers, or names where they are left open. */
export class UNetDims {
  readonly side: number;
  readonly guided: boolean;
  readonly audioTokens: number;
  readonly batch: Dimension;
  readonly frames: Dimension;
  /** Frames of all videos together. */
  readonly images: Dimension;
  /** Videos that are answered for: silence and speech count each. */
  readonly answers: Dimension;

  constructor(config: UNetModelConfig, sizes: UNetSizes) {
    checkSizes(config, sizes);
    this.side = latentSize(sizes.resolution);
    const { batch = "batch", frames = "frames", guided = false } = sizes;
    this.audioTokens = sizes.audioTokens ?? AUDIO_TOKENS;
    this.guided = guided;
    this.batch = batch;
    this.frames = frames;
    const isStatic = typeof batch === "number" && typeof frames === "number";
    this.images = isStatic ? batch * frames : "images";
    if (!guided) this.answers = batch;
    else this.answers = typeof batch === "number" ? 2 * batch : `guided_${batch}`;
  }

  video(videos: Dimension, channels: number): readonly Dimension[] {
    return [videos, channels, this.frames, this.side, this.side];
  }
}

/** The input `sample` as it comes. The network learns the frame count from it. */
export function sampleInput(net: Network, config: UNetModelConfig, dims: UNetDims): Value {
  const { graph } = net;
  const shape = dims.video(dims.batch, config.inChannels);
  const sample = graph.input("sample", BORDER, shape);
  net.frames =
    typeof dims.frames === "number"
      ? dims.frames
      : graph.op("Shape", [sample], { attributes: { start: 2, end: 3 }, dtype: "int64" });
  return sample;
}

/** The network with its input `encoder_hidden_states`. */
export function openUNet(net: Network, config: UNetModelConfig, dims: UNetDims): UNet {
  const { side, guided, audioTokens } = dims;
  const shape = [dims.images, audioTokens, config.crossAttentionDim];
  const features = net.graph.input("encoder_hidden_states", BORDER, shape);
  const audio = config.addAudioLayer ? net.cast(features, net.dtype) : features;
  return new UNet(net, config, { side, guided, audioTokens, audio });
}

function deepInput(net: Network, unet: UNet, dims: UNetDims): FeatureMap {
  const size = unet.deepSize;
  const imageDims = net.emit.layout.imageDims(size);
  const input = net.graph.input("deep_features", BORDER, [dims.answers, dims.frames, ...imageDims]);
  net.branches = dims.guided ? 2 : 1;
  const value = net.reshape(net.cast(input, net.dtype), ["images", ...imageDims]);
  return { ...size, value };
}

function deepOutput(net: Network, features: FeatureMap, dims: UNetDims): void {
  const imageDims = net.emit.layout.imageDims(features);
  const value = net.reshape(net.cast(features.value, BORDER), ["batch", "frames", ...imageDims]);
  net.graph.output("deep_features", value, [dims.answers, dims.frames, ...imageDims]);
}
