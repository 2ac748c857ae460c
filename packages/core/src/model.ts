/** The model seam: a checkpoint that can give its networks as ONNX graphs. */
import type { GraphPrecision, GraphProfile, GraphSource } from "./runtime.ts";

/** What the pipeline must know of a checkpoint. */
export interface ModelInfo {
  /** A published name such as `latentsync-1.6`, or the folder's name. */
  readonly name: string;
  /** Side of the square face in pixels. */
  readonly resolution: number;
  /** Frames that are denoised together. */
  readonly framesPerChunk: number;
  readonly latentChannels: number;
  /** Latents per pixel along a side: resolution / latent size. */
  readonly vaeScaleFactor: number;
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Pairs of Whisper states before and after a frame's own that it attends to. */
  readonly audioFeatureLength: readonly [before: number, after: number];
  /** Audio tokens per frame: its Whisper states, of every layer. */
  readonly audioTokens: number;
  /** Width of an audio token. */
  readonly crossAttentionWidth: number;
  readonly scheduler: NoiseScheduleConfig;
  /** Licence of the weights, as a person should read it. */
  readonly licence: string;
  /** SHA-256 over the checkpoint's files, hex; identifies the weights in manifests. */
  readonly hash: string;
}

/** diffusers' scheduler configuration, in its own words. */
export interface NoiseScheduleConfig {
  readonly trainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: "scaled_linear" | "linear";
  readonly stepsOffset: number;
  readonly setAlphaToOne: boolean;
  readonly clipSample: boolean;
}

/**
 * The networks, with their inputs and outputs (`B` 1 or 2, `F` frames, `h = resolution / 8`):
 * - `whisper_encoder`: `mel [1, 80, 3000]` to `embeddings [1500, layers + 1, width]`
 * - `vae_encoder`: `image [N, 3, R, R]` to `mean`, `logvar` `[N, 4, h, h]` (logvar clamped to ±30, 20)
 * - `vae_decoder`: `latents [N, 4, h, h]` (already divided by the scaling factor) to `image [N, 3, R, R]`
 * - `unet`: `sample [B, 13, F, h, h]`, `timestep [1]`, `encoder_hidden_states [B*F, tokens, width]`
 *   to `noise_pred [B, 4, F, h, h]`
 * - `unet_deepcache_full`: as `unet`, and `deep_features`, the input of the outermost up block's last layer
 * - `unet_deepcache_shallow`: as `unet` with `deep_features` as a further input; the outermost layers only
 *
 * All are float32 at the border whatever the precision inside. Symbolic dimensions are named
 * `batch`, `frames` and `images`.
 */
export type GraphKind =
  | "whisper_encoder"
  | "vae_encoder"
  | "vae_decoder"
  | "unet"
  | "unet_deepcache_full"
  | "unet_deepcache_shallow";

export interface GraphRequest {
  readonly kind: GraphKind;
  readonly profile: GraphProfile;
  readonly precision: GraphPrecision;
  readonly signal?: AbortSignal;
}

export interface LatentSyncModel {
  readonly info: ModelInfo;
  /** The graph, built now or found in the cache. @throws LatentSyncError `invalid_model`. */
  graph(request: GraphRequest): Promise<GraphSource>;
}
