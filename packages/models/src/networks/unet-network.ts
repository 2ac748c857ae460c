/**
 * Ports `latentsync/models/unet.py` of bytedance/LatentSync at a229c39, and which of its layers
 * DeepCache 0.1.1 reuses with branch 0. Differences: frames are images inside, a timestep is one for
 * the whole batch, and silence and speech can be answered for side by side.
 */
import type { MotionModuleConfig, UNetModelConfig } from "../checkpoint/unet-config.ts";
import type { Value } from "../graph/graph.ts";
import type { AudioTokens, TransformerSettings } from "./attention.ts";
import { timestepEmbedding, timesteps } from "./embeddings.ts";
import type { Network } from "./network.ts";
import type { FeatureMap, Size } from "./profiles/emitters.ts";
import type { ResnetSettings } from "./resnet.ts";
import { type UNetBlock, downBlock, midBlock, unetLayer, upBlock } from "./unet-blocks.ts";

/** The time embedding is this much wider than the first block. */
const TIME_FACTOR = 4;

export interface UNetSettings {
  /** Side of the latents. */
  readonly side: number;
  /** Audio features of the speech, in the network's element type. */
  readonly audio: Value;
  readonly audioTokens: number;
  /** Whether silence is answered for as well, before the speech. */
  readonly guided: boolean;
}

/** What changes from step to step. */
export interface UNetStep {
  /** `[batch, 13, frames, h, h]` in the network's element type. */
  readonly sample: Value;
  /** A row of {@link UNet.timeEmbedding}. */
  readonly time: Value;
}

/** A step's answer: noise of one video after another, of silence first. */
export interface UNetOutput {
  readonly noise: FeatureMap;
  /** What entered the outermost up block's last layer. */
  readonly deepFeatures: FeatureMap;
}

/** The layers of a UNet. Steps of one graph share their weights, and the audio's keys and values. */
export class UNet {
  readonly #net: Network;
  readonly #config: UNetModelConfig;
  readonly #settings: UNetSettings;
  readonly #audio: AudioTokens | undefined;
  /** Outputs of the down path that up blocks have yet to take up. */
  readonly #skips: FeatureMap[] = [];
  #resnet: ResnetSettings;

  constructor(net: Network, config: UNetModelConfig, settings: UNetSettings) {
    this.#net = net;
    this.#config = config;
    this.#settings = settings;
    const { audio: value, audioTokens: tokens } = settings;
    const width = config.crossAttentionDim;
    this.#audio = config.addAudioLayer
      ? { value, tokens, width, projections: new Map() }
      : undefined;
    this.#resnet = {
      groups: config.normNumGroups,
      epsilon: config.normEps,
      acrossFrames: !config.useInflatedGroupnorm,
    };
  }

  /** `[steps]` timesteps to what resnets take of them, `[steps, width]`. */
  timeEmbedding(timestep: Value): Value {
    const net = this.#net;
    const { blockOutChannels, flipSinToCos, freqShift } = this.#config;
    const inWidth = blockOutChannels[0] as number;
    const sinusoid = timesteps(net, timestep, { width: inWidth, flipSinToCos, freqShift });
    const embedding = timestepEmbedding(net, sinusoid, {
      path: "time_embedding",
      inWidth,
      outWidth: TIME_FACTOR * inWidth,
    });
    return net.emit.silu(net, embedding);
  }

  /** The whole network. */
  full(step: UNetStep): UNetOutput {
    const net = this.#net;
    const skips = this.#skips;
    const { blockOutChannels } = this.#config;
    const last = blockOutChannels.length - 1;
    let hidden = this.#begin(step);
    skips.push(hidden);
    if (this.#audio === undefined) hidden = this.#forkAt(hidden);
    for (const index of blockOutChannels.keys()) {
      const downsample = index < last;
      hidden = downBlock(net, hidden, this.#downBlock(index), { skips, downsample });
    }
    hidden = midBlock(net, hidden, this.#midBlock());
    let deepFeatures = hidden;
    for (const index of blockOutChannels.keys()) {
      const block = this.#upBlock(index);
      const onLayerInput = (layer: number, input: FeatureMap): void => {
        if (index === last && layer === block.layers - 1) deepFeatures = input;
      };
      hidden = upBlock(net, hidden, block, { skips, upsample: index < last, onLayerInput });
    }
    return { noise: this.#convOut(hidden), deepFeatures };
  }

  /** The outermost layers, which DeepCache computes at every step. */
  shallow(step: UNetStep, deepFeatures: FeatureMap): UNetOutput {
    const net = this.#net;
    const input = this.#forkAt(this.#begin(step));
    const block = this.#upBlock(this.#config.blockOutChannels.length - 1);
    const joined = net.concatChannels(deepFeatures, input);
    const hidden = unetLayer(net, joined, block, block.layers - 1);
    return { noise: this.#convOut(hidden), deepFeatures };
  }

  /** Size of the deep features. */
  get deepSize(): Size {
    const { blockOutChannels } = this.#config;
    const block = this.#upBlock(blockOutChannels.length - 1);
    // The last layer but one leaves as many channels as the block has, unless it is the first layer.
    const channels = block.layers > 1 ? block.outChannels : (blockOutChannels[1] as number);
    return { channels, height: this.#settings.side, width: this.#settings.side };
  }

  /** The first layer of a step, in which silence and speech are one. */
  #begin({ sample, time }: UNetStep): FeatureMap {
    const width = TIME_FACTOR * (this.#config.blockOutChannels[0] as number);
    this.#net.branches = 1;
    this.#resnet = {
      ...this.#resnet,
      time: { value: time, width },
      timeScaleShift: this.#config.resnetTimeScaleShift,
    };
    return this.#convIn(sample);
  }

  /** Parts silence and speech, if both are answered for: what up blocks take up belongs to either. */
  #fork(): void {
    const net = this.#net;
    if (net.branches === 2 || !this.#settings.guided) return;
    for (const [index, skip] of this.#skips.entries()) this.#skips[index] = net.twice(skip);
    net.branches = 2;
  }

  #forkAt(x: FeatureMap): FeatureMap {
    if (!this.#settings.guided) return x;
    this.#fork();
    return this.#net.twice(x);
  }

  #convIn(sample: Value): FeatureMap {
    const net = this.#net;
    const config = this.#config;
    const inChannels = config.inChannels;
    const centred = config.centerInputSample
      ? net.add(net.mul(sample, net.scalar(2)), net.scalar(-1))
      : sample;
    const { side } = this.#settings;
    const size = { channels: inChannels, height: side, width: side };
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
      ...(this.#settings.guided ? { fork: () => this.#fork() } : {}),
    };
  }

  #motion(resolution: number): MotionModuleConfig | undefined {
    const { useMotionModule, motionModuleResolutions, motionModule } = this.#config;
    const used = useMotionModule && motionModuleResolutions.includes(resolution);
    return used ? motionModule : undefined;
  }
}
