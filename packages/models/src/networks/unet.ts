/**
 * Ports `latentsync/models/unet.py` of bytedance/LatentSync at a229c39, and which of its layers
 * DeepCache 0.1.1 reuses with branch 0. Differences: frames are images inside, and a timestep is
 * one for the whole batch.
 */
import { LatentSyncError } from "@ls/core";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { MotionModuleConfig, UNetModelConfig } from "../checkpoint/unet-config.ts";
import type { Dimension } from "../graph/element-type.ts";
import type { Graph, Value } from "../graph/graph.ts";
import type { AudioTokens, TransformerSettings } from "./attention.ts";
import {
  type BuildOptions,
  addTaps,
  checkPositive,
  createNetwork,
  latentSize,
} from "./build-options.ts";
import { timestepEmbedding, timesteps } from "./embeddings.ts";
import { BORDER, type Network } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";
import type { ResnetSettings } from "./resnet.ts";
import { type UNetBlock, downBlock, midBlock, unetLayer, upBlock } from "./unet-blocks.ts";

export type UNetKind = "unet" | "unet_deepcache_full" | "unet_deepcache_shallow";

export interface UNetOptions extends BuildOptions {
  /** `unet` if not given. */
  readonly kind?: UNetKind;
  /** Side of the face in pixels, a multiple of 8 and at least 64. */
  readonly resolution: number;
  /** Fixes the batch size; symbolic `batch` if not given. */
  readonly batch?: number;
  /** Fixes the frame count; symbolic `frames` if not given. */
  readonly frames?: number;
  /** Audio tokens per frame; 50 if not given. */
  readonly audioTokens?: number;
}

const AUDIO_TOKENS = 50;
/** The time embedding is this much wider than the first block. */
const TIME_FACTOR = 4;

/**
 * The UNet. Inputs and outputs are those of `GraphKind` of `@ls/core`, with symbolic dimensions
 * `batch`, `frames` and, for the frames of all videos together, `images`. `deep_features` is
 * `[batch, frames, ...]`, its other dimensions in the profile's layout: it is only ever handed back.
 * @param source the checkpoint's tensors; without it the graph cannot be written.
 * @throws LatentSyncError `invalid_model` if the source lacks a tensor or has it in another shape,
 *   `invalid_argument` for sizes that cannot be.
 */
export function buildUNet(
  config: UNetModelConfig,
  source: TensorSource | undefined,
  options: UNetOptions,
): Graph {
  checkOptions(config, options);
  const kind = options.kind ?? "unet";
  const net = createNetwork(kind, source, options);
  const unet = new UNet(net, config, options);
  const output = kind === "unet_deepcache_shallow" ? unet.shallow() : unet.full();
  const size = latentSize(options.resolution);
  net.graph.output("noise_pred", net.cast(net.emit.layout.toVideo(net, output), BORDER), [
    options.batch ?? "batch",
    config.outChannels,
    options.frames ?? "frames",
    size,
    size,
  ]);
  if (kind === "unet_deepcache_full") unet.outputDeepFeatures();
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
  new UNet(net, config, options).full();
  return net.weights.declared;
}

function checkOptions(config: UNetModelConfig, options: UNetOptions): void {
  checkPositive("batch", options.batch);
  checkPositive("frames", options.frames);
  checkPositive("audioTokens", options.audioTokens);
  const { useMotionModule, motionModule } = config;
  const maximum = motionModule.temporalPositionEncodingMaxLen;
  const limited = useMotionModule && motionModule.temporalPositionEncoding;
  if (limited && options.frames !== undefined && options.frames > maximum) {
    throw new LatentSyncError(
      "invalid_argument",
      `frames is ${options.frames}, but the motion modules know positions of ${maximum} frames only.`,
    );
  }
}

class UNet {
  readonly #net: Network;
  readonly #config: UNetModelConfig;
  readonly #size: number;
  readonly #dims: readonly [batch: Dimension, frames: Dimension, images: Dimension];
  readonly #sample: Value;
  readonly #resnet: ResnetSettings;
  readonly #audio: AudioTokens | undefined;
  #deepFeatures: FeatureMap | undefined;

  constructor(net: Network, config: UNetModelConfig, options: UNetOptions) {
    this.#net = net;
    this.#config = config;
    this.#size = latentSize(options.resolution);
    const batch = options.batch ?? "batch";
    const frames = options.frames ?? "frames";
    const images =
      typeof batch === "number" && typeof frames === "number" ? batch * frames : "images";
    this.#dims = [batch, frames, images];
    const side = this.#size;
    this.#sample = net.graph.input("sample", BORDER, [
      batch,
      config.inChannels,
      frames,
      side,
      side,
    ]);
    const timestep = net.graph.input("timestep", BORDER, [1]);
    const tokens = options.audioTokens ?? AUDIO_TOKENS;
    const audio = net.graph.input("encoder_hidden_states", BORDER, [
      images,
      tokens,
      config.crossAttentionDim,
    ]);
    net.frames = typeof frames === "number" ? frames : this.#frameCount();
    this.#audio = config.addAudioLayer
      ? { value: net.cast(audio, net.dtype), tokens, width: config.crossAttentionDim }
      : undefined;
    this.#resnet = this.#resnetSettings(timestep);
  }

  /** The whole network. */
  full(): FeatureMap {
    const net = this.#net;
    const skips: FeatureMap[] = [this.#convIn()];
    const { blockOutChannels } = this.#config;
    const last = blockOutChannels.length - 1;
    for (const index of blockOutChannels.keys()) {
      const input = skips.at(-1) as FeatureMap;
      skips.push(...downBlock(net, input, this.#downBlock(index), index < last));
    }
    let hidden = midBlock(net, skips.at(-1) as FeatureMap, this.#midBlock());
    for (const index of blockOutChannels.keys()) {
      const block = this.#upBlock(index);
      const onLayerInput = (layer: number, input: FeatureMap): void => {
        if (index === last && layer === block.layers - 1) this.#deepFeatures = input;
      };
      hidden = upBlock(net, hidden, block, { skips, upsample: index < last, onLayerInput });
    }
    return this.#convOut(hidden);
  }

  /** The outermost layers, which DeepCache computes at every step. */
  shallow(): FeatureMap {
    const net = this.#net;
    const last = this.#config.blockOutChannels.length - 1;
    const block = this.#upBlock(last);
    // The last layer but one leaves as many channels as the block has, unless it is the first layer.
    const channels =
      block.layers > 1 ? block.outChannels : (this.#config.blockOutChannels[1] as number);
    const size = { channels, height: this.#size, width: this.#size };
    const imageDims = net.emit.layout.imageDims(size);
    const [batch, frames] = this.#dims;
    const input = net.graph.input("deep_features", BORDER, [batch, frames, ...imageDims]);
    const value = net.reshape(net.cast(input, net.dtype), ["images", ...imageDims]);
    const joined = net.concatChannels({ ...size, value }, this.#convIn());
    return this.#convOut(unetLayer(net, joined, block, block.layers - 1));
  }

  outputDeepFeatures(): void {
    const net = this.#net;
    const features = this.#deepFeatures as FeatureMap;
    const imageDims = net.emit.layout.imageDims(features);
    const [batch, frames] = this.#dims;
    const value = net.reshape(net.cast(features.value, BORDER), ["batch", "frames", ...imageDims]);
    net.graph.output("deep_features", value, [batch, frames, ...imageDims]);
  }

  #frameCount(): Value {
    const { graph } = this.#net;
    return graph.op("Shape", [this.#sample], { attributes: { start: 2, end: 3 }, dtype: "int64" });
  }

  #resnetSettings(timestep: Value): ResnetSettings {
    const net = this.#net;
    const config = this.#config;
    const inWidth = config.blockOutChannels[0] as number;
    const width = TIME_FACTOR * inWidth;
    const { flipSinToCos, freqShift } = config;
    const sinusoid = timesteps(net, timestep, { width: inWidth, flipSinToCos, freqShift });
    const embedding = timestepEmbedding(net, sinusoid, {
      path: "time_embedding",
      inWidth,
      outWidth: width,
    });
    return {
      groups: config.normNumGroups,
      epsilon: config.normEps,
      acrossFrames: !config.useInflatedGroupnorm,
      time: { value: net.emit.silu(net, embedding), width },
      timeScaleShift: config.resnetTimeScaleShift,
    };
  }

  #convIn(): FeatureMap {
    const net = this.#net;
    const config = this.#config;
    const inChannels = config.inChannels;
    const sample = net.cast(this.#sample, net.dtype);
    const centred = config.centerInputSample
      ? net.add(net.mul(sample, net.scalar(2)), net.scalar(-1))
      : sample;
    const size = { channels: inChannels, height: this.#size, width: this.#size };
    return net.convolution(net.emit.layout.fromVideo(net, centred, size), {
      path: "conv_in",
      inChannels,
      outChannels: config.blockOutChannels[0] as number,
      kernel: 3,
    });
  }

  #convOut(x: FeatureMap): FeatureMap {
    const net = this.#net;
    const { groups, epsilon, acrossFrames } = this.#resnet;
    const hidden = net.groupNorm(x, {
      path: "conv_norm_out",
      groups,
      epsilon,
      acrossFrames,
      activation: "silu",
    });
    return net.convolution(hidden, {
      path: "conv_out",
      inChannels: x.channels,
      outChannels: this.#config.outChannels,
      kernel: 3,
    });
  }

  #downBlock(index: number): UNetBlock {
    const config = this.#config;
    const type = config.downBlockTypes[index];
    return {
      path: `down_blocks.${index}`,
      outChannels: config.blockOutChannels[index] as number,
      layers: config.layersPerBlock,
      resnet: this.#resnet,
      transformer: type === "CrossAttnDownBlock3D" ? this.#transformer(index) : undefined,
      motion: config.motionModuleDecoderOnly ? undefined : this.#motion(2 ** index),
    };
  }

  #midBlock(): UNetBlock {
    const config = this.#config;
    const index = config.blockOutChannels.length - 1;
    const useMotion = config.useMotionModule && config.motionModuleMidBlock;
    return {
      path: "mid_block",
      outChannels: config.blockOutChannels[index] as number,
      layers: 1,
      resnet: { ...this.#resnet, outputScale: config.midBlockScaleFactor },
      transformer: this.#transformer(index),
      motion: useMotion ? config.motionModule : undefined,
    };
  }

  #upBlock(index: number): UNetBlock {
    const config = this.#config;
    const mirrored = config.blockOutChannels.length - 1 - index;
    const type = config.upBlockTypes[index];
    return {
      path: `up_blocks.${index}`,
      outChannels: config.blockOutChannels[mirrored] as number,
      layers: config.layersPerBlock + 1,
      resnet: this.#resnet,
      transformer: type === "CrossAttnUpBlock3D" ? this.#transformer(mirrored) : undefined,
      // The official class counts from a fourth block, whatever the number of blocks.
      motion: this.#motion(2 ** (3 - index)),
    };
  }

  #transformer(index: number): TransformerSettings {
    const config = this.#config;
    return {
      heads: config.attentionHeadDim[index] as number,
      groups: config.normNumGroups,
      linearProjection: config.useLinearProjection,
      ...(this.#audio === undefined ? {} : { audio: this.#audio }),
    };
  }

  #motion(resolution: number): MotionModuleConfig | undefined {
    const { useMotionModule, motionModuleResolutions, motionModule } = this.#config;
    const used = useMotionModule && motionModuleResolutions.includes(resolution);
    return used ? motionModule : undefined;
  }
}
