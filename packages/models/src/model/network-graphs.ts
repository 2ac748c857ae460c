/** The graphs of a checkpoint's networks, in the groups that are built and kept together. */
import {
  type GraphKind,
  type GraphVariant,
  GROUP_LENGTHS,
  hasStepGroups,
  type ModelInfo,
} from "@ls/core";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import type { NamedGraph } from "../graph/index.ts";
import {
  buildUNet,
  buildUNetGroup,
  buildVaeDecoder,
  buildVaeEncoder,
  buildWhisperEncoder,
  type UNetStepKind,
} from "../networks/index.ts";

/** What is built together: the UNet's graphs share one file of weights. */
export const GRAPH_GROUPS = ["whisper_encoder", "vae_encoder", "vae_decoder", "unet"] as const;
export type GraphGroup = (typeof GRAPH_GROUPS)[number];

export function groupOf(kind: GraphKind): GraphGroup {
  switch (kind) {
    case "whisper_encoder":
    case "vae_encoder":
    case "vae_decoder":
      return kind;
    default:
      return "unet";
  }
}

/** The file of a graph within its group's folder. */
export function graphFileName(kind: GraphKind): string {
  return `${kind}.onnx`;
}

/** Builds a group's graphs; weights are read when the graphs are written. */
export function buildGroup(
  group: GraphGroup,
  checkpoint: ModelCheckpoint,
  info: ModelInfo,
  variant: GraphVariant,
): NamedGraph[] {
  const { resolution } = info;
  const { vae, vaeConfig, whisper, whisperDims } = checkpoint;
  switch (group) {
    case "whisper_encoder":
      return [named(group, buildWhisperEncoder(whisperDims, whisper, variant))];
    case "vae_encoder":
      return [named(group, buildVaeEncoder(vaeConfig, vae, { ...variant, resolution }))];
    case "vae_decoder":
      return [named(group, buildVaeDecoder(vaeConfig, vae, { ...variant, resolution }))];
    case "unet":
      return unetGraphs(checkpoint, info, variant);
  }
}

const STEP_KINDS: readonly UNetStepKind[] = [
  "unet",
  "unet_deepcache_full",
  "unet_deepcache_shallow",
];

/** The UNet for speech alone, and for silence beside it; for GPUs in groups of steps as well. */
function unetGraphs(
  { unet, unetConfig }: ModelCheckpoint,
  { resolution, audioTokens }: ModelInfo,
  variant: GraphVariant,
): NamedGraph[] {
  const lengths = hasStepGroups(variant.profile) ? GROUP_LENGTHS : [];
  return [false, true].flatMap((guided) => {
    const options = { ...variant, guided, resolution, audioTokens };
    const graphs = [
      ...STEP_KINDS.map((kind) => buildUNet(unetConfig.model, unet, { ...options, kind })),
      ...lengths.map((steps) => buildUNetGroup(unetConfig.model, unet, { ...options, steps })),
    ];
    // A graph is named after its kind.
    return graphs.map((graph) => ({ graph, fileName: `${graph.name}.onnx` }));
  });
}

function named(kind: GraphKind, graph: NamedGraph["graph"]): NamedGraph {
  return { graph, fileName: graphFileName(kind) };
}
