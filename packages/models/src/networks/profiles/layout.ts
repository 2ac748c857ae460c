import type { Value } from "../../graph/graph.ts";
import type { FeatureMap, Layout, Size } from "./emitters.ts";

/** Side of a convolution's or pooling's output. */
export function convolvedSize(size: number, kernel: number, stride: number, pads: number): number {
  return Math.floor((size + pads - kernel) / stride) + 1;
}

/** The same feature map with another value and, where given, another size. */
export function withValue(x: FeatureMap, value: Value, change: Partial<Size> = {}): FeatureMap {
  return { ...x, ...change, value };
}

function sized({ channels, height, width }: Size, value: Value): FeatureMap {
  return { value, channels, height, width };
}

/** PyTorch's layout, that of the checkpoint's convolutions. */
export const nchw: Layout = {
  name: "NCHW",
  channelAxis: 1,
  fromImages: (_net, images, size) => sized(size, images),
  toImages: (_net, x) => x.value,
  fromVideo: (net, video, size) => {
    const frames = net.transpose(video, [0, 2, 1, 3, 4]);
    return sized(size, net.reshape(frames, ["images", size.channels, size.height, size.width]));
  },
  toVideo: (net, { value, channels, height, width }) =>
    net.transpose(
      net.reshape(value, ["batch", "frames", channels, height, width]),
      [0, 2, 1, 3, 4],
    ),
  toTokens: (net, { value, channels, height, width }) =>
    net.transpose(net.reshape(value, [0, channels, height * width]), [0, 2, 1]),
  fromTokens: (net, tokens, size) => {
    const planes = net.transpose(tokens, [0, 2, 1]);
    return sized(size, net.reshape(planes, [0, size.channels, size.height, size.width]));
  },
  toFrameTokens: (net, { value, channels, height, width }) => {
    const video = net.reshape(value, ["batch", "frames", channels, height * width]);
    return net.reshape(net.transpose(video, [0, 3, 1, 2]), [
      `batch*${height * width}`,
      "frames",
      channels,
    ]);
  },
  fromFrameTokens: (net, tokens, size) => {
    const { channels, height, width } = size;
    const pixels = net.reshape(tokens, ["batch", height * width, "frames", channels]);
    const frames = net.transpose(pixels, [0, 2, 3, 1]);
    return sized(size, net.reshape(frames, ["images", channels, height, width]));
  },
  perChannel: (net, value, channels) => net.reshape(value, [1, channels, 1, 1]),
  imageDims: ({ channels, height, width }) => [channels, height, width],
};

/** Channels last, the layout of tensor cores. */
export const nhwc: Layout = {
  name: "NHWC",
  channelAxis: 3,
  fromImages: (net, images, size) => sized(size, net.transpose(images, [0, 2, 3, 1])),
  toImages: (net, x) => net.transpose(x.value, [0, 3, 1, 2]),
  fromVideo: (net, video, size) => {
    const frames = net.transpose(video, [0, 2, 3, 4, 1]);
    return sized(size, net.reshape(frames, ["images", size.height, size.width, size.channels]));
  },
  toVideo: (net, { value, channels, height, width }) =>
    net.transpose(
      net.reshape(value, ["batch", "frames", height, width, channels]),
      [0, 4, 1, 2, 3],
    ),
  toTokens: (net, { value, channels, height, width }) =>
    net.reshape(value, [0, height * width, channels]),
  fromTokens: (net, tokens, size) =>
    sized(size, net.reshape(tokens, [0, size.height, size.width, size.channels])),
  toFrameTokens: (net, { value, channels, height, width }) => {
    const video = net.reshape(value, ["batch", "frames", height * width, channels]);
    return net.reshape(net.transpose(video, [0, 2, 1, 3]), [
      `batch*${height * width}`,
      "frames",
      channels,
    ]);
  },
  fromFrameTokens: (net, tokens, size) => {
    const { channels, height, width } = size;
    const pixels = net.reshape(tokens, ["batch", height * width, "frames", channels]);
    const frames = net.transpose(pixels, [0, 2, 1, 3]);
    return sized(size, net.reshape(frames, ["images", height, width, channels]));
  },
  perChannel: (net, value, channels) => net.reshape(value, [1, 1, 1, channels]),
  imageDims: ({ channels, height, width }) => [height, width, channels],
};
