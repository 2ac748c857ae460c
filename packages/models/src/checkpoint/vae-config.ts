/** The VAE's `config.json` (diffusers' AutoencoderKL), its keys in camel case. */
import { ConfigSection } from "./config-section.ts";
import { parseJson } from "./json-file.ts";

export interface VaeConfig {
  /** `in_channels` */
  readonly inChannels: number;
  /** `out_channels` */
  readonly outChannels: number;
  /** `latent_channels` */
  readonly latentChannels: number;
  /** `block_out_channels`, outermost first. */
  readonly blockOutChannels: readonly number[];
  /** `layers_per_block` of the encoder; the decoder has one more. */
  readonly layersPerBlock: number;
  /** `norm_num_groups` */
  readonly normNumGroups: number;
  /** `act_fn` */
  readonly actFn: "silu";
  /** `mid_block_add_attention` */
  readonly midBlockAddAttention: boolean;
  /** `use_quant_conv`: a 1x1 convolution after the encoder. */
  readonly useQuantConv: boolean;
  /** `use_post_quant_conv`: a 1x1 convolution before the decoder. */
  readonly usePostQuantConv: boolean;
  /** Always 0.18215: the official script sets it over the file's `scaling_factor`. */
  readonly scalingFactor: number;
  /** Always 0: the official script sets it over the file's `shift_factor`. */
  readonly shiftFactor: number;
}

/** What the official script sets, whatever the file says. */
export const VAE_SCALING_FACTOR = 0.18215;
/** What the official script sets, whatever the file says. */
export const VAE_SHIFT_FACTOR = 0;

/**
 * Reads a VAE configuration.
 * @param file name of the file, for messages.
 * @throws LatentSyncError `invalid_model` that names the file, the key and what was expected.
 */
export function parseVaeConfig(json: string, file = "the VAE's configuration"): VaeConfig {
  const section = new ConfigSection(parseJson(json, file), file);
  section.only("_class_name", "AutoencoderKL");
  section.ignore("sample_size", "force_upcast", "scaling_factor", "shift_factor");
  section.only("latents_mean", null);
  section.only("latents_std", null);
  section.choice("act_fn", ["silu", "swish"], "silu");
  const blockOutChannels = section.integers("block_out_channels", { fallback: [64] });
  const length = blockOutChannels.length;
  section.choices("down_block_types", ["DownEncoderBlock2D"], {
    length,
    fallback: ["DownEncoderBlock2D"],
  });
  section.choices("up_block_types", ["UpDecoderBlock2D"], {
    length,
    fallback: ["UpDecoderBlock2D"],
  });
  const config: VaeConfig = {
    inChannels: section.integer("in_channels", { fallback: 3 }),
    outChannels: section.integer("out_channels", { fallback: 3 }),
    latentChannels: section.integer("latent_channels", { fallback: 4 }),
    blockOutChannels,
    layersPerBlock: section.integer("layers_per_block", { fallback: 1, maximum: 64 }),
    normNumGroups: section.integer("norm_num_groups", { fallback: 32 }),
    actFn: "silu",
    midBlockAddAttention: section.boolean("mid_block_add_attention", true),
    useQuantConv: section.boolean("use_quant_conv", true),
    usePostQuantConv: section.boolean("use_post_quant_conv", true),
    scalingFactor: VAE_SCALING_FACTOR,
    shiftFactor: VAE_SHIFT_FACTOR,
  };
  section.refuseUnknown();
  return config;
}
