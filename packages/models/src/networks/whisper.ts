/**
 * Ports the audio encoder of OpenAI's Whisper, as `latentsync/whisper/whisper/model.py` of
 * bytedance/LatentSync at a229c39 has it: the hidden states are the output, without the last norm.
 */
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { WhisperDims } from "../checkpoint/whisper-dims.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { type BuildOptions, addTaps, createNetwork } from "./build-options.ts";
import { BORDER, type Network } from "./network.ts";

/** Width of a block's feed-forward layer, as a multiple of its own. */
const FEED_FORWARD_FACTOR = 4;

type EncoderDims = Pick<
  WhisperDims,
  "nMels" | "nAudioCtx" | "nAudioState" | "nAudioHead" | "nAudioLayer"
>;

/**
 * `mel [1, 80, 3000]` to `embeddings [1500, layers + 1, width]`, both float32: the hidden states
 * after the position embedding and after each block. Lengths follow the checkpoint's `n_audio_ctx`.
 * @throws LatentSyncError `invalid_model` if the source lacks a tensor or has it in another shape.
 */
export function buildWhisperEncoder(
  dims: EncoderDims,
  source: TensorSource | undefined,
  options: BuildOptions,
): Graph {
  const net = createNetwork("whisper_encoder", source, options);
  const mel = net.graph.input("mel", BORDER, [1, dims.nMels, 2 * dims.nAudioCtx]);
  const states = encoder(net, dims, net.cast(mel, net.dtype));
  const { nAudioCtx, nAudioState } = dims;
  const stacked = net.graph.op(
    "Concat",
    states.map((state) => net.reshape(state, [nAudioCtx, 1, nAudioState])),
    { attributes: { axis: 1 } },
  );
  net.graph.output("embeddings", net.cast(stacked, BORDER), [
    nAudioCtx,
    states.length,
    nAudioState,
  ]);
  addTaps(net, options.taps, (x) => x.value);
  return net.graph;
}

/** Every tensor of the encoder, with its shape. A checkpoint also holds a decoder, `decoder.*`. */
export function expectedWhisperTensors(dims: EncoderDims): ReadonlyMap<string, readonly number[]> {
  const net = createNetwork("whisper_encoder", undefined, {
    profile: "tensorrt",
    precision: "float32",
  });
  encoder(net, dims, net.graph.input("mel", BORDER, [1, dims.nMels, 2 * dims.nAudioCtx]));
  const { nAudioState } = dims;
  net.weights.declare({ name: "encoder.ln_post.weight", shape: [nAudioState] });
  net.weights.declare({ name: "encoder.ln_post.bias", shape: [nAudioState] });
  return net.weights.declared;
}

function encoder(net: Network, dims: EncoderDims, mel: Value): Value[] {
  const { nMels, nAudioCtx, nAudioState } = dims;
  const first = convolution(net, mel, {
    path: "encoder.conv1",
    inChannels: nMels,
    outChannels: nAudioState,
    stride: 1,
  });
  const second = convolution(net, first, {
    path: "encoder.conv2",
    inChannels: nAudioState,
    outChannels: nAudioState,
    stride: 2,
  });
  const positions = net.weights.tensor("encoder.positional_embedding", [nAudioCtx, nAudioState]);
  const states = [net.add(net.transpose(second, [0, 2, 1]), positions)];
  for (let index = 0; index < dims.nAudioLayer; index++) {
    states.push(block(net, dims, states[index] as Value, `encoder.blocks.${index}`));
  }
  return states;
}

function convolution(
  net: Network,
  x: Value,
  layer: { path: string; inChannels: number; outChannels: number; stride: number },
): Value {
  const { path, inChannels, outChannels, stride } = layer;
  return net.module(path, () => {
    const weight = net.weights.tensor(`${path}.weight`, [outChannels, inChannels, 3]);
    const bias = net.weights.tensor(`${path}.bias`, [outChannels]);
    const attributes = { kernel_shape: [3], strides: [stride], pads: [1, 1] };
    return net.emit.gelu(net, net.graph.op("Conv", [x, weight, bias], { attributes }));
  });
}

function block(net: Network, dims: EncoderDims, x: Value, path: string): Value {
  const width = dims.nAudioState;
  const linear = (name: string, value: Value, inWidth: number, outWidth: number): Value =>
    net.linear(value, {
      path: `${path}.${name}`,
      inWidth,
      outWidth,
      bias: name !== "attn.key",
    });
  return net.module(path, () => {
    const normalized = net.normalize(x, { path: `${path}.attn_ln`, width });
    const heads = dims.nAudioHead;
    const mixed = net.emit.attention(net, {
      query: linear("attn.query", normalized, width, width),
      key: linear("attn.key", normalized, width, width),
      value: linear("attn.value", normalized, width, width),
      heads,
      headWidth: width / heads,
      keyCount: dims.nAudioCtx,
    });
    const hidden = net.add(linear("attn.out", mixed, width, width), x);
    const inner = FEED_FORWARD_FACTOR * width;
    const input = net.normalize(hidden, { path: `${path}.mlp_ln`, width });
    const active = net.emit.gelu(net, linear("mlp.0", input, width, inner));
    return net.add(linear("mlp.2", active, inner, width), hidden);
  });
}
