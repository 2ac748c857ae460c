/** The graphs of a checkpoint's networks, in the groups that are built and kept together. */
import type { GraphKind, GraphProfile, ModelInfo, GraphPrecision } from "@ls/core";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import type { NamedGraph } from "../graph/index.ts";
import {
  buildUNet,
  buildVaeDecoder,
  buildVaeEncoder,
  buildWhisperEncoder,
} from "../networks/index.ts";

export interface GraphVariant {
  readonly profile: GraphProfile;
  readonly precision: GraphPrecision;
}

/** What is built together: the UNet's graphs share one file of weights. */
export const GRAPH_GROUPS = ["whisper_encoder", "vae_encoder", "vae_decoder", "unet"] as const;
export type GraphGroup = (typeof GRAPH_GROUPS)[number];

export function groupOf(kind: GraphKind): GraphGroup {
  return kind === "unet_deepcache_full" || kind === "unet_deepcache_shallow" ? "unet" : kind;
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
  const { resolution, audioTokens } = info;
  const { unet, unetConfig, vae, vaeConfig, whisper, whisperDims } = checkpoint;
  switch (group) {
    case "whisper_encoder":
      return [named(group, buildWhisperEncoder(whisperDims, whisper, variant))];
    case "vae_encoder":
      return [named(group, buildVaeEncoder(vaeConfig, vae, { ...variant, resolution }))];
    case "vae_decoder":
      return [named(group, buildVaeDecoder(vaeConfig, vae, { ...variant, resolution }))];
    case "unet":
      return (["unet", "unet_deepcache_full", "unet_deepcache_shallow"] as const).map((kind) =>
        named(
          kind,
          buildUNet(unetConfig.model, unet, { ...variant, kind, resolution, audioTokens }),
        ),
      );
  }
}

function named(kind: GraphKind, graph: NamedGraph["graph"]): NamedGraph {
  return { graph, fileName: graphFileName(kind) };
}
