import type { GraphKind } from "@ls/core";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import type { Graph } from "../graph/graph.ts";
import type { BuildOptions } from "./build-options.ts";
import { buildUNet } from "./unet.ts";
import { buildVaeDecoder, buildVaeEncoder } from "./vae.ts";
import { buildWhisperEncoder } from "./whisper.ts";

/** The configurations and tensors that graphs are made of: a `ModelCheckpoint` has them all. */
export type GraphIngredients = Pick<
  ModelCheckpoint,
  "unetConfig" | "unet" | "vaeConfig" | "vae" | "whisperDims" | "whisper"
>;

export interface BuildGraphOptions extends BuildOptions {
  readonly kind: GraphKind;
  /** Side of the face in pixels; that of the UNet's configuration if not given. */
  readonly resolution?: number;
}

/**
 * Builds any of the graphs with symbolic `batch`, `frames` and `images`. UNet graphs of one profile
 * and precision share all weights: write them together and they are stored once.
 * @throws LatentSyncError `invalid_model`, `invalid_argument` or `unsupported`.
 */
export function buildGraph(ingredients: GraphIngredients, options: BuildGraphOptions): Graph {
  const { kind } = options;
  const { unetConfig, vaeConfig, whisperDims } = ingredients;
  const resolution = options.resolution ?? unetConfig.data.resolution;
  switch (kind) {
    case "whisper_encoder":
      return buildWhisperEncoder(whisperDims, ingredients.whisper, options);
    case "vae_encoder":
      return buildVaeEncoder(vaeConfig, ingredients.vae, { ...options, resolution });
    case "vae_decoder":
      return buildVaeDecoder(vaeConfig, ingredients.vae, { ...options, resolution });
    case "unet":
    case "unet_deepcache_full":
    case "unet_deepcache_shallow":
      return buildUNet(unetConfig.model, ingredients.unet, { ...options, kind, resolution });
  }
}
