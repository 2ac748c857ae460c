/** Ports `latentsync/models/unet_blocks.py` of bytedance/LatentSync at a229c39. */
import type { MotionModuleConfig } from "../checkpoint/unet-config.ts";
import { type TransformerSettings, transformer3D } from "./attention.ts";
import { motionModule } from "./motion-module.ts";
import type { Network } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";
import { type ResnetSettings, resnetBlock } from "./resnet.ts";

export interface UNetBlock {
  readonly path: string;
  readonly outChannels: number;
  readonly layers: number;
  readonly resnet: ResnetSettings;
  /** Settings of the transformer after each resnet, if the block has transformers. */
  readonly transformer: TransformerSettings | undefined;
  /** Settings of the motion module after each layer, if the block has motion modules. */
  readonly motion: MotionModuleConfig | undefined;
}

/** A resnet with what follows it in a block: transformer, then motion module. */
export function unetLayer(
  net: Network,
  x: FeatureMap,
  block: UNetBlock,
  index: number,
): FeatureMap {
  const { path, outChannels } = block;
  const hidden = resnetBlock(
    net,
    x,
    { path: `${path}.resnets.${index}`, outChannels },
    block.resnet,
  );
  return attend(net, hidden, block, index);
}

/** The transformer and the motion module of a layer, where the block has them. */
function attend(net: Network, x: FeatureMap, block: UNetBlock, index: number): FeatureMap {
  const { path, transformer, motion } = block;
  const attended =
    transformer === undefined
      ? x
      : transformer3D(net, x, `${path}.attentions.${index}`, transformer);
  return motion === undefined
    ? attended
    : motionModule(net, attended, `${path}.motion_modules.${index}`, motion);
}

/** A down block. Every output that an up block takes up is added to `skips`, its own output last. */
export function downBlock(
  net: Network,
  x: FeatureMap,
  block: UNetBlock,
  options: { readonly skips: FeatureMap[]; readonly downsample: boolean },
): FeatureMap {
  const { path, outChannels, layers } = block;
  const { skips } = options;
  return net.module(path, () => {
    let hidden = x;
    for (let index = 0; index < layers; index++) {
      hidden = unetLayer(net, hidden, block, index);
      skips.push(hidden);
    }
    if (!options.downsample) return hidden;
    const layer = { inChannels: outChannels, outChannels, kernel: 3, stride: 2 } as const;
    hidden = net.convolution(hidden, {
      path: `${path}.downsamplers.0.conv`,
      ...layer,
      pads: [1, 1, 1, 1],
    });
    skips.push(hidden);
    return hidden;
  });
}

export function midBlock(net: Network, x: FeatureMap, block: UNetBlock): FeatureMap {
  const { path, outChannels } = block;
  return net.module(path, () => {
    const resnet = (index: number, input: FeatureMap): FeatureMap =>
      resnetBlock(net, input, { path: `${path}.resnets.${index}`, outChannels }, block.resnet);
    let hidden = resnet(0, x);
    for (let index = 0; index < block.layers; index++) {
      hidden = resnet(index + 1, attend(net, hidden, block, index));
    }
    return hidden;
  });
}

/**
 * An up block.
 * @param skips outputs of the down path, the last of which is taken up first; they are removed.
 * @param onLayerInput called with each layer's input before it meets its skip.
 */
export function upBlock(
  net: Network,
  x: FeatureMap,
  block: UNetBlock,
  options: {
    readonly skips: FeatureMap[];
    readonly upsample: boolean;
    readonly onLayerInput?: (index: number, input: FeatureMap) => void;
  },
): FeatureMap {
  const { path, outChannels, layers } = block;
  return net.module(path, () => {
    let hidden = x;
    for (let index = 0; index < layers; index++) {
      options.onLayerInput?.(index, hidden);
      const skip = options.skips.pop();
      if (skip === undefined) throw new Error(`${path} has more layers than there are skips.`);
      hidden = unetLayer(net, net.concatChannels(hidden, skip), block, index);
    }
    if (!options.upsample) return hidden;
    return upsampler(net, hidden, `${path}.upsamplers.0`, outChannels, options.skips.at(-1));
  });
}

/**
 * Nearest-neighbour upsampling by two and a convolution.
 * @param size what comes out, if not twice what went in: one less where that had been odd.
 */
export function upsampler(
  net: Network,
  x: FeatureMap,
  path: string,
  outChannels: number,
  size?: Pick<FeatureMap, "height" | "width">,
): FeatureMap {
  const doubled = net.emit.upsample(net, x);
  return net.convolution(size === undefined ? doubled : net.crop(doubled, size), {
    path: `${path}.conv`,
    inChannels: x.channels,
    outChannels,
    kernel: 3,
  });
}
