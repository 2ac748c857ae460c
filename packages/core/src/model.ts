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
  /** What it needs in memory is estimated from this; without it nothing is. */
  readonly size?: ModelSize | undefined;
}

/** Sizes of a model's networks. */
export interface ModelSize {
  /** Numbers of weights. */
  readonly parameters: Readonly<
    Record<"whisper_encoder" | "vae_encoder" | "vae_decoder" | "unet", number>
  >;
  /** Channels of the UNet at the latents' full size. */
  readonly unetWidth: number;
  /** Channels of the VAE at the image's full size. */
  readonly vaeWidth: number;
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

/** Lengths of the groups of steps that there are graphs of. */
export const GROUP_LENGTHS = [2, 3] as const;
export type GroupLength = (typeof GROUP_LENGTHS)[number];

/** Whether a profile has graphs of several steps. */
export function hasStepGroups(profile: GraphProfile): boolean {
  return profile === "cuda" || profile === "tensorrt";
}

/** The UNet's graphs: whole, the parts that DeepCache makes of it, and groups of its steps. */
export type UNetKind =
  | "unet"
  | "unet_deepcache_full"
  | "unet_deepcache_shallow"
  | `unet_group_${GroupLength}`;

/**
 * The networks, with their inputs and outputs (`N` images or chunks, `F` frames,
 * `h = resolution / 8`):
 * - `whisper_encoder`: `mel [1, 80, 3000]` to `embeddings [1500, layers + 1, width]`
 * - `vae_encoder`: `image [N, 3, R, R]` to `mean`, `logvar` `[N, 4, h, h]` (logvar clamped to ±30, 20)
 * - `vae_decoder`: `latents [N, 4, h, h]` (already divided by the scaling factor) to `image [N, 3, R, R]`
 * - `unet`: `sample [N, 13, F, h, h]`, `timestep [1]`, `encoder_hidden_states [N*F, tokens, width]`
 *   to `noise_pred [N, 4, F, h, h]`
 * - `unet_deepcache_full`: as `unet`, and `deep_features [N, F, ...]`, the input of the outermost up
 *   block's last layer
 * - `unet_deepcache_shallow`: as `unet` with `deep_features` as a further input; the outermost layers only
 * - `unet_guided`, `unet_deepcache_full_guided`, `unet_deepcache_shallow_guided`: the same inputs, but
 *   every answer (and `deep_features`) is `[2*N, ...]`: for silence, that is, audio features of
 *   zeros, and then for the speech. What silence and speech have in common is computed once.
 * - `unet_group_2` and so on, for `n` steps, and `unet_group_2_guided`: a full step of DeepCache and
 *   the shallow ones after it, with the sampler's updates. `sample`, `timesteps [n]`,
 *   `encoder_hidden_states`, `coefficients [n, 5]` and `history [N, 4, F, h, h]` to
 *   `latents [n, N, 4, F, h, h]` and `next_history`. With the numbers `(a, b, p, q, s)` of a step, its
 *   latents `x`, noise `e` and history `h` become `a*x + b*e + h` and `p*x + q*e`, where guided
 *   `e = silence + s * (speech - silence)`. Only for the profiles `cuda` and `tensorrt`.
 *
 * All are float32 at the border whatever the precision inside. Symbolic dimensions are named
 * `batch` (N), `frames` and `images`, and `guided_batch` for 2*N.
 */
export type GraphKind =
  | "whisper_encoder"
  | "vae_encoder"
  | "vae_decoder"
  | UNetKind
  | `${UNetKind}_guided`;

export interface GraphRequest {
  readonly kind: GraphKind;
  readonly profile: GraphProfile;
  readonly precision: GraphPrecision;
  readonly signal?: AbortSignal;
}

/** What a graph is built for. */
export type GraphVariant = Pick<GraphRequest, "profile" | "precision">;

export interface LatentSyncModel {
  readonly info: ModelInfo;
  /** The only graphs that there are, where they were built beforehand; all if not given. */
  readonly variants?: readonly GraphVariant[];
  /** The graph, built now or found in the cache. @throws LatentSyncError `invalid_model`. */
  graph(request: GraphRequest): Promise<GraphSource>;
}
