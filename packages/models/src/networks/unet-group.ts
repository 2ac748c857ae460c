/** A full step of DeepCache and the shallow ones after it as one graph. */
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { UNetModelConfig } from "../checkpoint/unet-config.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { type BuildOptions, checkPositive, createNetwork } from "./build-options.ts";
import { BORDER, type Network } from "./network.ts";
import type { UNetOutput } from "./unet-network.ts";
import { openUNet, sampleInput, UNetDims, type UNetSizes } from "./unet.ts";

export interface UNetGroupOptions extends BuildOptions, UNetSizes {
  /** Steps of the group: one full, the others shallow. */
  readonly steps: number;
}

/** Numbers of a step, in the order of `GraphKind` of `@ls/core`. */
const COEFFICIENTS = ["sample", "noise", "keepSample", "keepNoise", "guidance"] as const;
type Coefficients = Readonly<Record<(typeof COEFFICIENTS)[number], Value>>;

/**
 * A group of steps, with inputs and outputs as `GraphKind` of `@ls/core` has them. Between steps
 * latents are float32, whatever the precision; deep features and the audio's keys and values stay
 * inside. Throws as {@link buildUNet} does.
 */
export function buildUNetGroup(
  config: UNetModelConfig,
  source: TensorSource | undefined,
  options: UNetGroupOptions,
): Graph {
  const { steps, guided = false } = options;
  checkPositive("steps", steps);
  const name = `unet_group_${steps}`;
  const net = createNetwork(guided ? `${name}_guided` : name, source, options);
  const { graph } = net;
  const dims = new UNetDims(config, options);
  const channels = config.outChannels;
  const sample = sampleInput(net, config, dims);
  const timesteps = graph.input("timesteps", BORDER, [steps]);
  const unet = openUNet(net, config, dims);
  const coefficients = splitCoefficients(
    net,
    graph.input("coefficients", BORDER, [steps, COEFFICIENTS.length]),
    steps,
  );
  const shape = dims.video(dims.batch, channels);
  let history = graph.input("history", BORDER, shape);
  const times = rows(net, unet.timeEmbedding(timesteps), steps);
  let latents = channelsOf(net, sample, 0, channels);
  const conditioning = channelsOf(net, sample, channels, config.inChannels);
  const results: Value[] = [];
  let output: UNetOutput | undefined;
  for (const [index, numbers] of coefficients.entries()) {
    const whole = graph.op("Concat", [latents, conditioning], { attributes: { axis: 1 } });
    const step = { sample: net.cast(whole, net.dtype), time: times[index] as Value };
    output = output === undefined ? unet.full(step) : unet.shallow(step, output.deepFeatures);
    const answer = net.cast(net.emit.layout.toVideo(net, output.noise), BORDER);
    const noise = guided ? guide(net, answer, numbers) : answer;
    const next = combine(net, latents, noise, numbers.sample, numbers.noise);
    const kept = combine(net, latents, noise, numbers.keepSample, numbers.keepNoise);
    latents = net.add(next, history);
    history = kept;
    results.push(graph.op("Unsqueeze", [latents, graph.integers([0])]));
  }
  const all = graph.op("Concat", results, { attributes: { axis: 0 } });
  graph.output("latents", all, [steps, ...shape]);
  graph.output("next_history", history, shape);
  return graph;
}

/** Rows `[1, width]` of a table. */
function rows(net: Network, table: Value, count: number): Value[] {
  if (count === 1) return [table];
  return net.graph.ops("Split", [table], count, { attributes: { axis: 0, num_outputs: count } });
}

/** The numbers of every step, each `[1]`. */
function splitCoefficients(net: Network, table: Value, steps: number): Coefficients[] {
  const count = COEFFICIENTS.length;
  const flat = net.reshape(table, [steps * count]);
  const attributes = { axis: 0, num_outputs: steps * count };
  const numbers = net.graph.ops("Split", [flat], steps * count, { attributes });
  return Array.from({ length: steps }, (_, step) => {
    const row = COEFFICIENTS.map((name, index) => [name, numbers[step * count + index]]);
    return Object.fromEntries(row) as Coefficients;
  });
}

/** Channels `start <= channel < end` of a video. */
function channelsOf(net: Network, video: Value, start: number, end: number): Value {
  const bounds = [[start], [end], [1]].map((list) => net.graph.integers(list));
  return net.graph.op("Slice", [video, ...bounds]);
}

/** `silence + scale * (speech - silence)`. */
function guide(net: Network, answers: Value, { guidance }: Coefficients): Value {
  const [silence, speech] = net.halves(answers, 0);
  return net.add(silence, net.mul(guidance, net.graph.op("Sub", [speech, silence])));
}

function combine(net: Network, a: Value, b: Value, ofA: Value, ofB: Value): Value {
  return net.add(net.mul(a, ofA), net.mul(b, ofB));
}
