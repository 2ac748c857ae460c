/** Ports `AutoencoderKL` of diffusers 0.32.2: its encoder up to the moments, and its decoder. */
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { VaeConfig } from "../checkpoint/vae-config.ts";
import type { Graph } from "../graph/graph.ts";
import { attentionLayer } from "./attention.ts";
import {
  type BuildOptions,
  addTaps,
  checkPositive,
  createNetwork,
  latentSize,
} from "./build-options.ts";
import { BORDER, type Network } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";
import { type ResnetSettings, resnetBlock } from "./resnet.ts";
import { upsampler } from "./unet-blocks.ts";

export interface VaeOptions extends BuildOptions {
  /** Side of the image in pixels, a multiple of 8 and at least 64. */
  readonly resolution: number;
  /** Fixes the number of images; symbolic `images` if not given. */
  readonly images?: number;
}

const EPSILON = 1e-6;
/** Bounds of the logarithm of the posterior's variance. */
const LOGVAR_RANGE = [-30, 20] as const;

/**
 * `image [images, 3, R, R]` to `mean` and `logvar` `[images, 4, h, h]`, all float32.
 * @throws LatentSyncError `invalid_model` if the source lacks a tensor or has it in another shape,
 *   `invalid_argument` for sizes that cannot be.
 */
export function buildVaeEncoder(
  config: VaeConfig,
  source: TensorSource | undefined,
  options: VaeOptions,
): Graph {
  const { resolution } = options;
  const images = checkOptions(options);
  const net = createNetwork("vae_encoder", source, options);
  const image = net.graph.input("image", BORDER, [
    images,
    config.inChannels,
    resolution,
    resolution,
  ]);
  const size = { channels: config.inChannels, height: resolution, width: resolution };
  const pixels = net.emit.layout.fromImages(net, net.cast(image, net.dtype), size);
  const moments = encoder(net, config, pixels);
  const host = net.cast(net.emit.layout.toImages(net, moments), BORDER);
  const [mean, logvar] = net.halves(host, 1);
  const [minimum, maximum] = LOGVAR_RANGE.map((bound) => net.scalar(bound, BORDER));
  const shape = [images, config.latentChannels, moments.height, moments.width];
  net.graph.output("mean", mean, shape);
  net.graph.output("logvar", net.graph.op("Clip", [logvar, minimum, maximum]), shape);
  addTaps(net, options.taps, (x) => net.emit.layout.toImages(net, x));
  return net.graph;
}

/**
 * `latents [images, 4, h, h]`, already divided by the scaling factor, to `image [images, 3, R, R]`,
 * both float32. Throws as {@link buildVaeEncoder} does.
 */
export function buildVaeDecoder(
  config: VaeConfig,
  source: TensorSource | undefined,
  options: VaeOptions,
): Graph {
  const images = checkOptions(options);
  const net = createNetwork("vae_decoder", source, options);
  const side = options.resolution / downsampling(config);
  const channels = config.latentChannels;
  const latents = net.graph.input("latents", BORDER, [images, channels, side, side]);
  const size = { channels, height: side, width: side };
  const input = net.emit.layout.fromImages(net, net.cast(latents, net.dtype), size);
  const output = decoder(net, config, input);
  net.graph.output("image", net.cast(net.emit.layout.toImages(net, output), BORDER), [
    images,
    config.outChannels,
    output.height,
    output.width,
  ]);
  addTaps(net, options.taps, (x) => net.emit.layout.toImages(net, x));
  return net.graph;
}

/** Every tensor that a checkpoint of this configuration holds, with its shape. */
export function expectedVaeTensors(config: VaeConfig): ReadonlyMap<string, readonly number[]> {
  const options = { profile: "tensorrt", precision: "float32" } as const;
  const net = createNetwork("vae", undefined, options);
  const side = downsampling(config);
  const input = (name: string, channels: number, size: number): FeatureMap => ({
    value: net.graph.input(name, BORDER, ["images", channels, size, size]),
    channels,
    height: size,
    width: size,
  });
  encoder(net, config, input("image", config.inChannels, side));
  decoder(net, config, input("latents", config.latentChannels, 1));
  return net.weights.declared;
}

function downsampling(config: VaeConfig): number {
  return 2 ** (config.blockOutChannels.length - 1);
}

function checkOptions({ resolution, images }: VaeOptions): number | "images" {
  checkPositive("images", images);
  latentSize(resolution);
  return images ?? "images";
}

function resnetSettings(config: VaeConfig): ResnetSettings {
  return { groups: config.normNumGroups, epsilon: EPSILON, acrossFrames: false };
}

function encoder(net: Network, config: VaeConfig, image: FeatureMap): FeatureMap {
  const { blockOutChannels, latentChannels } = config;
  let hidden = net.convolution(image, {
    path: "encoder.conv_in",
    inChannels: image.channels,
    outChannels: blockOutChannels[0] as number,
    kernel: 3,
  });
  for (const [index, channels] of blockOutChannels.entries()) {
    const isLast = index === blockOutChannels.length - 1;
    hidden = encoderBlock(net, config, hidden, { index, channels, isLast });
  }
  hidden = midBlock(net, config, hidden, "encoder.mid_block");
  const moments = 2 * latentChannels;
  const output = convOut(net, config, hidden, { path: "encoder", outChannels: moments });
  if (!config.useQuantConv) return output;
  const layer = { inChannels: moments, outChannels: moments, kernel: 1 } as const;
  return net.convolution(output, { path: "quant_conv", ...layer });
}

function encoderBlock(
  net: Network,
  config: VaeConfig,
  x: FeatureMap,
  { index, channels, isLast }: { index: number; channels: number; isLast: boolean },
): FeatureMap {
  const path = `encoder.down_blocks.${index}`;
  return net.module(path, () => {
    const hidden = resnets(net, config, x, { path, channels, layers: config.layersPerBlock });
    if (isLast) return hidden;
    return net.convolution(hidden, {
      path: `${path}.downsamplers.0.conv`,
      inChannels: channels,
      outChannels: channels,
      kernel: 3,
      stride: 2,
      // Padded at the bottom and at the right only.
      pads: [0, 0, 1, 1],
    });
  });
}

function decoder(net: Network, config: VaeConfig, latents: FeatureMap): FeatureMap {
  const channels = latents.channels;
  const reversed = [...config.blockOutChannels].reverse();
  const layer = { inChannels: channels, outChannels: channels, kernel: 1 } as const;
  const input = config.usePostQuantConv
    ? net.convolution(latents, { path: "post_quant_conv", ...layer })
    : latents;
  let hidden = net.convolution(input, {
    path: "decoder.conv_in",
    inChannels: channels,
    outChannels: reversed[0] as number,
    kernel: 3,
  });
  hidden = midBlock(net, config, hidden, "decoder.mid_block");
  for (const [index, outChannels] of reversed.entries()) {
    const path = `decoder.up_blocks.${index}`;
    const layers = config.layersPerBlock + 1;
    const isLast = index === reversed.length - 1;
    const block = hidden;
    hidden = net.module(path, () => {
      const output = resnets(net, config, block, { path, channels: outChannels, layers });
      return isLast ? output : upsampler(net, output, `${path}.upsamplers.0`, outChannels);
    });
  }
  return convOut(net, config, hidden, { path: "decoder", outChannels: config.outChannels });
}

function resnets(
  net: Network,
  config: VaeConfig,
  x: FeatureMap,
  { path, channels, layers }: { path: string; channels: number; layers: number },
): FeatureMap {
  const settings = resnetSettings(config);
  let hidden = x;
  for (let index = 0; index < layers; index++) {
    const block = { path: `${path}.resnets.${index}`, outChannels: channels };
    hidden = resnetBlock(net, hidden, block, settings);
  }
  return hidden;
}

function midBlock(net: Network, config: VaeConfig, x: FeatureMap, path: string): FeatureMap {
  const settings = resnetSettings(config);
  return net.module(path, () => {
    const resnet = (index: number, input: FeatureMap): FeatureMap =>
      resnetBlock(
        net,
        input,
        { path: `${path}.resnets.${index}`, outChannels: x.channels },
        settings,
      );
    const hidden = resnet(0, x);
    return resnet(
      1,
      config.midBlockAddAttention
        ? imageAttention(net, config, hidden, `${path}.attentions.0`)
        : hidden,
    );
  });
}

/** Attention with one head over the pixels of an image. */
function imageAttention(net: Network, config: VaeConfig, x: FeatureMap, path: string): FeatureMap {
  return net.module(path, () => {
    const normalized = net.groupNorm(x, {
      path: `${path}.group_norm`,
      groups: config.normNumGroups,
      epsilon: EPSILON,
      acrossFrames: false,
    });
    const { layout } = net.emit;
    const output = attentionLayer(net, layout.toTokens(net, normalized), {
      path,
      width: x.channels,
      heads: 1,
      headWidth: x.channels,
      keyCount: x.height * x.width,
      bias: true,
      residual: layout.toTokens(net, x),
    });
    return layout.fromTokens(net, output, x);
  });
}

function convOut(
  net: Network,
  config: VaeConfig,
  x: FeatureMap,
  { path, outChannels }: { path: string; outChannels: number },
): FeatureMap {
  const hidden = net.groupNorm(x, {
    path: `${path}.conv_norm_out`,
    groups: config.normNumGroups,
    epsilon: EPSILON,
    acrossFrames: false,
    activation: "silu",
  });
  return net.convolution(hidden, {
    path: `${path}.conv_out`,
    inChannels: x.channels,
    outChannels,
    kernel: 3,
  });
}
