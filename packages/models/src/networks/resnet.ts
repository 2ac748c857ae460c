/**
 * Ports `latentsync/models/resnet.py` of bytedance/LatentSync at a229c39, and the resnet of
 * diffusers 0.32.2's VAE, which is the same without a time embedding. Frames are images here, and a
 * time embedding is one for the whole batch.
 */
import type { Value } from "../graph/graph.ts";
import type { Network } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";

/** What all resnets of a network have in common. */
export interface ResnetSettings {
  readonly groups: number;
  readonly epsilon: number;
  /** Whether norms take all frames of a video together, as the official UNet does. */
  readonly acrossFrames: boolean;
  /** The time embedding after its activation, `[1, width]`. */
  readonly time?: { readonly value: Value; readonly width: number };
  readonly timeScaleShift?: "default" | "scale_shift";
  /** The output is divided by this. */
  readonly outputScale?: number;
}

export interface ResnetBlock {
  readonly path: string;
  readonly outChannels: number;
}

export function resnetBlock(
  net: Network,
  input: FeatureMap,
  { path, outChannels }: ResnetBlock,
  settings: ResnetSettings,
): FeatureMap {
  return net.module(path, () => {
    const inChannels = input.channels;
    const { groups, epsilon, acrossFrames, outputScale = 1 } = settings;
    const norm = { groups, epsilon, acrossFrames };
    const first = net.groupNorm(input, { path: `${path}.norm1`, ...norm, activation: "silu" });
    const second = timedConvolution(net, first, { path, outChannels }, settings);
    const shortcut =
      inChannels === outChannels
        ? input
        : net.convolution(input, {
            path: `${path}.conv_shortcut`,
            inChannels,
            outChannels,
            kernel: 1,
          });
    const layer = {
      path: `${path}.conv2`,
      inChannels: outChannels,
      outChannels,
      kernel: 3,
    } as const;
    const output = net.emit.convolutionWithResidual(net, second, layer, shortcut);
    if (outputScale === 1) return output;
    return { ...output, value: net.mul(output.value, net.scalar(1 / outputScale)) };
  });
}

/** The first convolution, the time embedding, and the second norm with its activation. */
function timedConvolution(
  net: Network,
  x: FeatureMap,
  { path, outChannels }: ResnetBlock,
  settings: ResnetSettings,
): FeatureMap {
  const { groups, epsilon, acrossFrames, time } = settings;
  const convolution = {
    path: `${path}.conv1`,
    inChannels: x.channels,
    outChannels,
    kernel: 3,
  } as const;
  const norm = { path: `${path}.norm2`, groups, epsilon, acrossFrames };
  if (time === undefined) {
    return net.emit.convolutionNorm(net, x, convolution, { ...norm, activation: "silu" });
  }
  const scaleShift = settings.timeScaleShift === "scale_shift";
  const width = scaleShift ? 2 * outChannels : outChannels;
  const projected = net.linear(time.value, {
    path: `${path}.time_emb_proj`,
    inWidth: time.width,
    outWidth: width,
    bias: true,
  });
  if (!scaleShift) {
    const timed = { ...convolution, addend: projected };
    return net.emit.convolutionNorm(net, x, timed, { ...norm, activation: "silu" });
  }
  // The official class has this layer, and does not use it for embeddings without frames.
  const unused = `${path}.double_len_linear`;
  net.weights.declare({ name: `${unused}.weight`, shape: [2 * width, width] });
  net.weights.declare({ name: `${unused}.bias`, shape: [2 * width] });
  const normalized = net.groupNorm(net.convolution(x, convolution), norm);
  const modulated = modulate(net, normalized, projected);
  return { ...normalized, value: net.emit.silu(net, modulated) };
}

/** `x * (1 + scale) + shift`, both per channel. */
function modulate(net: Network, x: FeatureMap, scaleAndShift: Value): Value {
  const [scale, shift] = net
    .halves(scaleAndShift, 1)
    .map((part) => net.emit.layout.perChannel(net, part, x.channels)) as [Value, Value];
  return net.add(net.mul(x.value, net.add(scale, net.scalar(1))), shift);
}
