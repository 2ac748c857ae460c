/**
 * The UNet's YAML configuration (`configs/unet/*.yaml` of bytedance/LatentSync at a229c39).
 * Fields are the file's keys in camel case; defaults are those of the official classes.
 */
import { LatentSyncError } from "@ls/core";
import { parse } from "yaml";
import { ConfigSection } from "./config-section.ts";

export type DownBlockType = "CrossAttnDownBlock3D" | "DownBlock3D";
export type UpBlockType = "CrossAttnUpBlock3D" | "UpBlock3D";

/** `model.motion_module_kwargs` */
export interface MotionModuleConfig {
  /** `num_attention_heads` */
  readonly numAttentionHeads: number;
  /** `num_transformer_block`: transformer blocks per motion module. */
  readonly numTransformerBlock: number;
  /** `attention_block_types`: one temporal self-attention per entry. */
  readonly attentionBlockTypes: readonly "Temporal_Self"[];
  /** `temporal_position_encoding`: whether sinusoidal positions are added before each attention. */
  readonly temporalPositionEncoding: boolean;
  /** `temporal_position_encoding_max_len`: the most frames that positions exist for. */
  readonly temporalPositionEncodingMaxLen: number;
  /** `temporal_attention_dim_div`: the inner width is the channels divided by this. */
  readonly temporalAttentionDimDiv: number;
}

/** The `data` section, as far as inference reads it. */
export interface UNetDataConfig {
  /** `num_frames`: frames that are denoised together. */
  readonly numFrames: number;
  /** `resolution`: side of the square face in pixels, divisible by 8. */
  readonly resolution: number;
  /** `audio_sample_rate` in Hz. */
  readonly audioSampleRateHz: number;
  /** `video_fps` */
  readonly videoFramesPerSecond: number;
  /** `audio_feat_length`: video frames of sound before and after a frame. */
  readonly audioFeatLength: readonly [before: number, after: number];
}

/** The `run` section, as far as inference reads it. */
export interface UNetRunConfig {
  /** `guidance_scale` */
  readonly guidanceScale: number;
  /** `inference_steps` */
  readonly inferenceSteps: number;
  /** `seed` */
  readonly seed: number;
}

/** The `model` section: what the network is made of. */
export interface UNetModelConfig {
  /** `act_fn`; `swish` is read as `silu`. */
  readonly actFn: "silu";
  /** `add_audio_layer`: whether transformers have the cross-attention `attn2`. */
  readonly addAudioLayer: boolean;
  /** `attention_head_dim`: the *number* of heads, despite its name, one figure per down block. */
  readonly attentionHeadDim: readonly number[];
  /** `block_out_channels`, outermost first. */
  readonly blockOutChannels: readonly number[];
  /** `center_input_sample`: whether the input is mapped by `2x - 1`. */
  readonly centerInputSample: boolean;
  /** `cross_attention_dim`: width of an audio token. */
  readonly crossAttentionDim: number;
  /** `down_block_types`, one per entry of `blockOutChannels`. */
  readonly downBlockTypes: readonly DownBlockType[];
  /** `mid_block_type` */
  readonly midBlockType: "UNetMidBlock3DCrossAttn";
  /** `up_block_types`, one per entry of `blockOutChannels`, innermost first. */
  readonly upBlockTypes: readonly UpBlockType[];
  /** `downsample_padding` */
  readonly downsamplePadding: 1;
  /** `flip_sin_to_cos`: whether the time embedding puts cosines first. */
  readonly flipSinToCos: boolean;
  /** `freq_shift` of the time embedding. */
  readonly freqShift: number;
  /** `in_channels` */
  readonly inChannels: number;
  /** `layers_per_block` of the down blocks; up blocks have one more. */
  readonly layersPerBlock: number;
  /** `mid_block_scale_factor`: the mid block's resnets divide their sum by this. */
  readonly midBlockScaleFactor: number;
  /** `norm_eps` of the resnets and of the last norm. */
  readonly normEps: number;
  /** `norm_num_groups` */
  readonly normNumGroups: number;
  /** `out_channels` */
  readonly outChannels: number;
  /** `sample_size`: side of the latents in training; inference takes any. */
  readonly sampleSize: number;
  /** `resnet_time_scale_shift`: whether the time is added, or scales and shifts. */
  readonly resnetTimeScaleShift: "default" | "scale_shift";
  /** `use_linear_projection`: transformers' projections are linear layers, not convolutions. */
  readonly useLinearProjection: boolean;
  /** `use_inflated_groupnorm`: resnets' norms are taken per frame, not over all frames. */
  readonly useInflatedGroupnorm: boolean;
  /** `use_motion_module` */
  readonly useMotionModule: boolean;
  /**
   * `motion_module_resolutions`: downsampling factors at which motion modules stand. Down block i is
   * at `2^i`, up block i at `2^(3 - i)`, whatever the number of blocks.
   */
  readonly motionModuleResolutions: readonly number[];
  /** `motion_module_mid_block` */
  readonly motionModuleMidBlock: boolean;
  /** `motion_module_decoder_only`: no motion modules in the down blocks. */
  readonly motionModuleDecoderOnly: boolean;
  /** `motion_module_type` */
  readonly motionModuleType: "Vanilla";
  /** `motion_module_kwargs` */
  readonly motionModule: MotionModuleConfig;
}

export interface UNetConfig {
  readonly data: UNetDataConfig;
  readonly run: UNetRunConfig;
  readonly model: UNetModelConfig;
}

const CROSS_DOWN = "CrossAttnDownBlock3D";
const CROSS_UP = "CrossAttnUpBlock3D";

function parseMotionModule(section: ConfigSection): MotionModuleConfig {
  section.ignore("zero_initialize");
  section.only("cross_frame_attention_mode", null);
  const config: MotionModuleConfig = {
    numAttentionHeads: section.integer("num_attention_heads", { fallback: 8 }),
    numTransformerBlock: section.integer("num_transformer_block", { fallback: 2, maximum: 64 }),
    attentionBlockTypes: section.choices("attention_block_types", ["Temporal_Self"], {
      fallback: ["Temporal_Self", "Temporal_Self"],
    }),
    temporalPositionEncoding: section.boolean("temporal_position_encoding", false),
    temporalPositionEncodingMaxLen: section.integer("temporal_position_encoding_max_len", {
      fallback: 24,
      maximum: 4096,
    }),
    temporalAttentionDimDiv: section.integer("temporal_attention_dim_div", { fallback: 1 }),
  };
  section.refuseUnknown();
  return config;
}

function parseHeads(section: ConfigSection, blocks: number): readonly number[] {
  const key = "attention_head_dim";
  if (Array.isArray(section.raw(key))) return section.integers(key, { length: blocks });
  return Array.from({ length: blocks }, () => section.integer(key, { fallback: 8 }));
}

/** Keys that the official class takes and never reads, and those with which it cannot run. */
function refuseVariants(section: ConfigSection): void {
  section.ignore("only_cross_attention", "upcast_attention");
  section.only("dual_cross_attention", false);
  section.only("class_embed_type", null);
  section.only("num_class_embeds", null);
}

/** The part of {@link UNetModelConfig} that describes motion modules. */
function parseMotion(
  section: ConfigSection,
  file: string,
): Pick<
  UNetModelConfig,
  | "useMotionModule"
  | "motionModuleResolutions"
  | "motionModuleMidBlock"
  | "motionModuleDecoderOnly"
  | "motionModuleType"
  | "motionModule"
> {
  return {
    useMotionModule: section.boolean("use_motion_module", false),
    motionModuleResolutions: section.integers("motion_module_resolutions", {
      fallback: [1, 2, 4, 8],
    }),
    motionModuleMidBlock: section.boolean("motion_module_mid_block", false),
    motionModuleDecoderOnly: section.boolean("motion_module_decoder_only", false),
    motionModuleType: section.choice("motion_module_type", ["Vanilla"], "Vanilla"),
    motionModule: parseMotionModule(
      section.has("motion_module_kwargs")
        ? section.section("motion_module_kwargs")
        : new ConfigSection({}, file, "model.motion_module_kwargs"),
    ),
  };
}

function parseModel(section: ConfigSection, file: string): UNetModelConfig {
  const blockOutChannels = section.integers("block_out_channels", {
    fallback: [320, 640, 1280, 1280],
  });
  const length = blockOutChannels.length;
  refuseVariants(section);
  section.choice("act_fn", ["silu", "swish"], "silu");
  section.only("downsample_padding", 1);
  const motion = parseMotion(section, file);
  const config: UNetModelConfig = {
    actFn: "silu",
    addAudioLayer: section.boolean("add_audio_layer", false),
    attentionHeadDim: parseHeads(section, length),
    blockOutChannels,
    centerInputSample: section.boolean("center_input_sample", false),
    crossAttentionDim: section.integer("cross_attention_dim", { fallback: 1280 }),
    downBlockTypes: section.choices<DownBlockType>(
      "down_block_types",
      [CROSS_DOWN, "DownBlock3D"],
      length === 4
        ? { length, fallback: [CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, "DownBlock3D"] }
        : { length },
    ),
    midBlockType: section.choice(
      "mid_block_type",
      ["UNetMidBlock3DCrossAttn"],
      "UNetMidBlock3DCrossAttn",
    ),
    upBlockTypes: section.choices<UpBlockType>(
      "up_block_types",
      [CROSS_UP, "UpBlock3D"],
      length === 4 ? { length, fallback: ["UpBlock3D", CROSS_UP, CROSS_UP, CROSS_UP] } : { length },
    ),
    downsamplePadding: 1,
    flipSinToCos: section.boolean("flip_sin_to_cos", true),
    freqShift: section.number("freq_shift", 0),
    inChannels: section.integer("in_channels", { fallback: 4 }),
    layersPerBlock: section.integer("layers_per_block", { fallback: 2, maximum: 64 }),
    midBlockScaleFactor: section.number("mid_block_scale_factor", 1),
    normEps: section.number("norm_eps", 1e-5),
    normNumGroups: section.integer("norm_num_groups", { fallback: 32 }),
    outChannels: section.integer("out_channels", { fallback: 4 }),
    sampleSize: section.integer("sample_size", { fallback: 64 }),
    resnetTimeScaleShift: section.choice(
      "resnet_time_scale_shift",
      ["default", "scale_shift"],
      "default",
    ),
    useLinearProjection: section.boolean("use_linear_projection", false),
    useInflatedGroupnorm: section.boolean("use_inflated_groupnorm", false),
    ...motion,
  };
  section.refuseUnknown();
  checkWidths(config, file);
  return config;
}

/** Widths that do not fit give a network that cannot run; say so before any weight is read. */
function checkWidths(model: UNetModelConfig, file: string): void {
  const complain = (channels: number, what: string): never => {
    throw new LatentSyncError(
      "invalid_model",
      `${file}: "model.block_out_channels" has ${channels}, which ${what}.`,
      { hint: "Use the configuration that was published with the checkpoint." },
    );
  };
  const motion = model.motionModule;
  for (const [index, channels] of model.blockOutChannels.entries()) {
    const heads = model.attentionHeadDim[index] ?? 1;
    if (channels % model.normNumGroups !== 0) {
      complain(channels, `norm_num_groups ${model.normNumGroups} does not divide`);
    }
    // What heads leave over is dropped by the projections, as in the official class.
    if (channels < heads) complain(channels, `is fewer than attention_head_dim ${heads}`);
    const divisor = motion.numAttentionHeads * motion.temporalAttentionDimDiv;
    if (model.useMotionModule && channels < divisor) {
      complain(channels, `is fewer than the motion modules' heads times dim_div, ${divisor}`);
    }
  }
}

function parseData(section: ConfigSection, file: string): UNetDataConfig {
  const resolution = section.integer("resolution", { fallback: 256, minimum: 64, maximum: 4096 });
  if (resolution % 8 !== 0) {
    throw new LatentSyncError(
      "invalid_model",
      `${file}: "data.resolution" must be divisible by 8, but is ${resolution}.`,
      { hint: "Published resolutions are 256 and 512." },
    );
  }
  const [before, after] = section.integers("audio_feat_length", {
    fallback: [2, 2],
    length: 2,
    minimum: 0,
  });
  return {
    numFrames: section.integer("num_frames", { fallback: 16, maximum: 4096 }),
    resolution,
    audioSampleRateHz: section.integer("audio_sample_rate", {
      fallback: 16_000,
      minimum: 16_000,
      maximum: 16_000,
    }),
    videoFramesPerSecond: section.integer("video_fps", {
      fallback: 25,
      minimum: 25,
      maximum: 25,
    }),
    audioFeatLength: [before ?? 2, after ?? 2],
  };
}

function parseRun(section: ConfigSection): UNetRunConfig {
  return {
    guidanceScale: section.number("guidance_scale", 1.5),
    inferenceSteps: section.integer("inference_steps", { fallback: 20, maximum: 1000 }),
    seed: section.integer("seed", { fallback: 1247, minimum: -1, maximum: 2 ** 53 - 1 }),
  };
}

/**
 * Reads a UNet configuration. Sections and keys that only training reads (`ckpt`, `optimizer`, and
 * the rest of `data` and `run`) are accepted; an unknown key of `model` is not.
 * @param file name of the file, for messages.
 * @throws LatentSyncError `invalid_model` that names the file, the key and what was expected.
 */
export function parseUNetConfig(yaml: string, file = "the UNet's configuration"): UNetConfig {
  let document: unknown;
  try {
    document = parse(yaml, { maxAliasCount: 100, logLevel: "error" });
  } catch (cause) {
    throw new LatentSyncError(
      "invalid_model",
      `${file} is not valid YAML: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, hint: "Use the configuration that was published with the checkpoint." },
    );
  }
  const root = new ConfigSection(document, file);
  const optional = (key: string): ConfigSection =>
    root.has(key) ? root.section(key) : new ConfigSection({}, file, key);
  return {
    data: parseData(optional("data"), file),
    run: parseRun(optional("run")),
    model: parseModel(root.section("model"), file),
  };
}
