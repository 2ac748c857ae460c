import { type GraphProfile, LatentSyncError, type GraphPrecision } from "@ls/core";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import { Graph, type ModuleOutput, type Value } from "../graph/graph.ts";
import { BORDER, Network, OPSET } from "./network.ts";
import type { FeatureMap } from "./profiles/emitters.ts";
import { emittersOf } from "./profiles/index.ts";
import { WeightStore } from "./weights.ts";

/** Options that all networks have. */
export interface BuildOptions {
  /** Which operators the graph may use. */
  readonly profile: GraphProfile;
  /** Arithmetic inside the graph; inputs and outputs are float32 in any case. */
  readonly precision: GraphPrecision;
  /**
   * Paths of modules, as in the checkpoint, whose outputs become further outputs of the graph under
   * that name, in PyTorch's layout and float32.
   */
  readonly taps?: readonly string[];
  /**
   * Replaces operators that only a GPU runtime has by their definitions in standard operators, so
   * that the graph runs anywhere; for checking a profile without its device.
   */
  readonly expandFused?: boolean;
}

/** An empty network. Without a source it can only be asked what weights it needs. */
export function createNetwork(
  name: string,
  source: TensorSource | undefined,
  options: BuildOptions,
): Network {
  const graph = new Graph({ name, opset: OPSET });
  return new Network({
    graph,
    weights: new WeightStore(graph, source, options.precision),
    emit: emittersOf(options.profile),
    precision: options.precision,
    expandFused: options.expandFused ?? false,
  });
}

function isFeatureMap(output: ModuleOutput): output is FeatureMap {
  return "channels" in output;
}

/**
 * Adds the outputs of modules to the graph's.
 * @param toHost from the profile's layout to the host's.
 * @throws LatentSyncError `invalid_argument` for a path that the network does not have.
 */
export function addTaps(
  net: Network,
  taps: readonly string[] | undefined,
  toHost: (x: FeatureMap) => Value,
): void {
  for (const path of taps ?? []) {
    const output = net.graph.modules.get(path);
    if (output === undefined) {
      throw new LatentSyncError("invalid_argument", `The network has no module ${path} to tap.`, {
        hint: "Name a module by its path in the checkpoint, such as down_blocks.0.resnets.1.",
      });
    }
    const value = isFeatureMap(output) ? toHost(output) : "dtype" in output ? output : output.value;
    net.graph.output(path, net.cast(value, BORDER));
  }
}

/** @throws LatentSyncError `invalid_argument` unless the value is an integer of at least 1. */
export function checkPositive(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return;
  throw new LatentSyncError(
    "invalid_argument",
    `${name} must be an integer of at least 1, but is ${value}.`,
  );
}

/** Side of the latents. @throws LatentSyncError `invalid_argument` for a resolution that cannot be. */
export function latentSize(resolution: number): number {
  if (!Number.isSafeInteger(resolution) || resolution < 64 || resolution % 8 !== 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `resolution must be a multiple of 8 pixels and at least 64, but is ${resolution}.`,
      { hint: "LatentSync 1.5 is made for 256, 1.6 for 512." },
    );
  }
  return resolution / 8;
}
